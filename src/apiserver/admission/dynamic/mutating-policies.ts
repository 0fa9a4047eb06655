import { mutationExpression } from '../../../api/cel/admission.ts';
import { summaryOf } from '../../../api/cel/expression.ts';
import { TypedObject, toJson } from '../../../api/cel/object-literals.ts';
import { fromAnything } from '../../../api/cel/values.ts';
import type { Kind } from '../../../api/kind.ts';
import { atomicPathsOf, merge, type Place, placeOf } from '../../../api/managed-fields/index.ts';
import { applyJsonPatch, type Json, PatchError } from '../../../api/patch/index.ts';
import { loadSchema } from '../../../api/schema/load.ts';
import type { KubeObject } from '../../../api/types.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { WatchCache } from '../../cache/watch-cache.ts';
import { forbidden, StatusError } from '../../errors.ts';
import type { KindTable } from '../../kinds.ts';
import { placeOfKind } from '../../registry/managers.ts';
import type { AdmissionRequest } from '../chain.ts';
import { conditionsHold, type Variables } from './conditions.ts';
import type { Mutator } from './mutator.ts';
import { changeObject } from './patched.ts';
import { type Binding, type Concern, type Policy, PolicySet, type PolicySpec, withPolicyVariables } from './policy.ts';
import { mutatingPolicies } from './resources.ts';

interface Mutation {
  readonly patchType: string;
  readonly applyConfiguration?: { readonly expression?: string };
  readonly jsonPatch?: { readonly expression?: string };
}

/** admissionregistration.k8s.io/v1 MutatingAdmissionPolicy. */
interface Spec extends PolicySpec {
  readonly mutations?: readonly Mutation[];
  readonly reinvocationPolicy?: string;
}

/** MutatingAdmissionPolicies, each through its bindings (KEP-3962). Only what is created or updated can be changed. */
export class MutatingPolicies {
  readonly #policies: PolicySet<Spec>;

  constructor(cache: WatchCache, kinds: KindTable, authorizer: Authorizer) {
    this.#policies = new PolicySet(cache, kinds, authorizer, mutatingPolicies);
  }

  mutators(request: AdmissionRequest): Mutator[] {
    if (!request.object) return [];
    return this.#policies.concerned(request).map((concern) => ({
      reinvocationPolicy: concern.policy.spec.reinvocationPolicy,
      run: () => this.#mutate(concern, request),
    }));
  }

  async #mutate({ policy, binding, shown }: Concern<Spec>, request: AdmissionRequest): Promise<boolean> {
    const { matchConditions = [], mutations = [], failurePolicy } = policy.spec;
    let isChanged = false;
    try {
      if (!conditionsHold(matchConditions, await this.#policies.variables(request, shown))) return false;
      for (const params of await this.#policies.params(policy, binding, request)) {
        for (const mutation of mutations) {
          const scope = { ...(await this.#policies.variables(request, shown)), params: fromAnything(params) };
          if (await apply(mutation, withPolicyVariables(policy, scope), request, shown)) isChanged = true;
        }
      }
    } catch (error) {
      if (failurePolicy !== 'Ignore') throw denial(policy, binding, request, error);
    }
    return isChanged;
  }
}

function apply(mutation: Mutation, scope: Variables, request: AdmissionRequest, shown: Kind): Promise<boolean> {
  if (mutation.patchType === 'ApplyConfiguration') {
    const value = evaluate(mutation.applyConfiguration?.expression ?? '', scope);
    const { objectKind } = request;
    const place = objectKind ? placeOf(loadSchema(), objectKind.definition) : placeOfKind(shown);
    return changeObject(request, shown, (given) => mergeInto(given, value, place));
  }
  const operations = evaluate(mutation.jsonPatch?.expression ?? '', scope);
  return changeObject(request, shown, (given) => patch(given, operations));
}

function evaluate(source: string, scope: Variables): unknown {
  const expression = mutationExpression(source);
  try {
    return expression.run(scope);
  } catch (error) {
    throw new Error(`expression '${source}' resulted in error: ${summaryOf(error)}`);
  }
}

function mergeInto(given: KubeObject, value: unknown, place: Place): KubeObject {
  if (!(value instanceof TypedObject) || value.type !== 'Object') {
    throw new Error('must evaluate to Object');
  }
  const config = { ...(toJson(value) as KubeObject), apiVersion: given.apiVersion, kind: given.kind };
  const atomics = atomicPathsOf(place, config);
  if (atomics.length > 0) {
    const why = `may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`;
    throw new Error(`error applying patch: invalid ApplyConfiguration: ${why}`);
  }
  return merge(place, given, config) as KubeObject;
}

function patch(given: KubeObject, value: unknown): KubeObject {
  if (!Array.isArray(value) || !value.every((each) => each instanceof TypedObject && each.type === 'JSONPatch')) {
    throw new Error('must evaluate to a list of JSONPatch');
  }
  const operations = value.map((each: TypedObject) => {
    const { value: inner, ...rest } = each.fields;
    // Its objects are of the types of the patched object's fields, wherever they stand.
    return inner === undefined ? rest : { ...rest, value: toJson(inner) };
  });
  try {
    return applyJsonPatch(given as Json, operations as Json) as KubeObject;
  } catch (error) {
    // A test that fails is a condition.
    if (error instanceof PatchError && error.message.startsWith('testing value')) return given;
    throw new Error(`JSON Patch: ${messageOf(error)}`);
  }
}

function denial({ metadata }: Policy, binding: Binding, request: AdmissionRequest, error: unknown): StatusError {
  const where = `policy '${metadata?.name}' with binding '${binding.metadata?.name}'`;
  const message = `${where} denied request: ${messageOf(error)}`;
  const { status } = forbidden(request.kind, request.name, message);
  return new StatusError(403, 'Invalid', message, { ...status.details, causes: [{ message }] });
}
