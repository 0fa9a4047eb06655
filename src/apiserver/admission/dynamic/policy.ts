import { admissionExpression } from '../../../api/cel/admission.ts';
import { fromAnything } from '../../../api/cel/values.ts';
import type { Kind } from '../../../api/kind.ts';
import { namespaces } from '../../../api/resource.ts';
import { compileLabelSelector } from '../../../api/selectors.ts';
import type { KubeObject, LabelSelector } from '../../../api/types.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import { objectKey, type WatchCache } from '../../cache/watch-cache.ts';
import type { KindTable } from '../../kinds.ts';
import { viewOf } from '../../registry/view.ts';
import type { AdmissionRequest } from '../chain.ts';
import { type MatchCondition, type Variables, variablesOf } from './conditions.ts';
import { matchRequest, type Rule } from './match.ts';

interface MatchResources {
  readonly resourceRules?: readonly Rule[];
  readonly excludeResourceRules?: readonly Rule[];
  readonly matchPolicy?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
}

/** What policies that validate and policies that mutate have in common (admissionregistration.k8s.io/v1). */
export interface PolicySpec {
  readonly paramKind?: { readonly apiVersion: string; readonly kind: string };
  readonly matchConstraints?: MatchResources;
  readonly failurePolicy?: string;
  readonly matchConditions?: readonly MatchCondition[];
  readonly variables?: readonly { readonly name: string; readonly expression: string }[];
}

export interface Policy<T extends PolicySpec = PolicySpec> extends KubeObject {
  readonly spec: T;
}

interface ParamRef {
  readonly name?: string;
  readonly namespace?: string;
  readonly selector?: LabelSelector;
  readonly parameterNotFoundAction?: string;
}

export interface Binding extends KubeObject {
  readonly spec: {
    readonly policyName: string;
    readonly paramRef?: ParamRef;
    readonly matchResources?: MatchResources;
    readonly validationActions?: readonly string[];
  };
}

interface Named {
  readonly group: string;
  readonly plural: string;
}

/** A policy that a request concerns through a binding, and the version of its object that the policy is about. */
export interface Concern<T extends PolicySpec> {
  readonly policy: Policy<T>;
  readonly binding: Binding;
  readonly shown: Kind;
}

/** The policies of a kind, each through its bindings. */
export class PolicySet<T extends PolicySpec> {
  readonly #cache: WatchCache;
  readonly #kinds: KindTable;
  readonly #policies: Named;
  readonly #bindings: Named;
  readonly #authorizer: Authorizer;

  constructor(
    cache: WatchCache,
    kinds: KindTable,
    authorizer: Authorizer,
    resources: { readonly policies: Named; readonly bindings: Named },
  ) {
    this.#authorizer = authorizer;
    this.#cache = cache;
    this.#kinds = kinds;
    this.#policies = resources.policies;
    this.#bindings = resources.bindings;
  }

  /** Which of them the request concerns, by the names of policies and then of bindings. */
  concerned(request: AdmissionRequest): Concern<T>[] {
    const bindings = this.#cache
      .resource(this.#bindings)
      .list()
      .map((object) => object.parse<Binding>());
    return this.#cache
      .resource(this.#policies)
      .list()
      .flatMap((object) => {
        const own = bindings.filter(({ spec }) => object.key === objectKey(this.#policies, '', spec.policyName));
        if (own.length === 0) return [];
        const policy = object.parse<Policy<T>>();
        return own.flatMap((binding) => {
          const shown = this.#shownTo(policy, binding, request);
          return shown ? [{ policy, binding, shown }] : [];
        });
      });
  }

  #shownTo({ spec }: Policy<T>, binding: Binding, request: AdmissionRequest): Kind | undefined {
    const shownBy = (resources: MatchResources | undefined, rules: readonly Rule[] | undefined) =>
      matchRequest(this.#cache, this.#kinds, request, {
        ...resources,
        rules,
        excluded: resources?.excludeResourceRules,
      });
    const constraints = spec.matchConstraints;
    const shown = shownBy(constraints, constraints?.resourceRules);
    const narrower = binding.spec.matchResources;
    if (!shown || !narrower) return shown;
    // A binding without rules of its own is about all that its policy is about.
    return shownBy(narrower, narrower.resourceRules ?? constraints?.resourceRules) && shown;
  }

  /** What the policy is evaluated with, once each; `null` where it takes no parameters. */
  async params({ spec }: Policy<T>, binding: Binding, request: AdmissionRequest): Promise<(KubeObject | null)[]> {
    const reference = binding.spec.paramRef;
    if (!spec.paramKind || !reference) return [null];
    const [version = '', group = ''] = spec.paramKind.apiVersion.split('/').reverse();
    const kind = this.#kinds.all.find(
      (each) => each.group === group && each.version === version && each.kind === spec.paramKind?.kind,
    );
    if (!kind) throw new Error(`failed to configure policy: params of kind ${spec.paramKind.kind} are not served`);
    const view = viewOf(this.#cache, kind);
    const namespace = kind.namespaced ? reference.namespace || request.namespace : '';
    const found = reference.name
      ? [view.resource.get(view.key(namespace, reference.name))].filter((each) => each !== undefined)
      : view.resource
          .list(view.prefix(namespace))
          .filter(({ labels }) => compileLabelSelector(reference.selector).matches(labels));
    await view.ready(found);
    if (found.length > 0) return found.map((each) => view.object(each).parse());
    if (reference.parameterNotFoundAction === 'Allow') return [];
    throw new Error(
      'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
    );
  }

  /** The request as expressions see it now. */
  async variables(request: AdmissionRequest, shown: Kind): Promise<Variables> {
    const variables = await variablesOf(request, shown, this.#authorizer);
    return { ...variables, namespaceObject: this.#namespaceOf(request) };
  }

  #namespaceOf({ kind, namespace }: AdmissionRequest): unknown {
    if (!kind.namespaced) return null;
    const found = this.#cache.resource(namespaces).get(objectKey(namespaces, '', namespace));
    return fromAnything(found?.parse() ?? null);
  }
}

/** Variables of a policy are evaluated when they are first asked for, and once. */
export function withPolicyVariables({ spec }: Policy, scope: Variables): Variables {
  const values: Record<string, unknown> = {};
  const whole = { ...scope, variables: values };
  for (const { name, expression } of spec.variables ?? []) {
    let known: { value: unknown } | undefined;
    const get = () => {
      known ??= { value: admissionExpression(expression).run(whole) };
      return known.value;
    };
    Object.defineProperty(values, name, { get, enumerable: true });
  }
  return whole;
}
