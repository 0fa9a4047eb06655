import { admissionExpression } from '../../../api/cel/admission.ts';
import { summaryOf } from '../../../api/cel/expression.ts';
import { fromAnything } from '../../../api/cel/values.ts';
import { namespaces } from '../../../api/resource.ts';
import { compileLabelSelector } from '../../../api/selectors.ts';
import type { KubeObject, LabelSelector } from '../../../api/types.ts';
import { messageOf } from '../../../base/errors.ts';
import { objectKey, type WatchCache } from '../../cache/watch-cache.ts';
import { forbidden, StatusError } from '../../errors.ts';
import type { KindTable } from '../../kinds.ts';
import { viewOf } from '../../registry/view.ts';
import type { AdmissionRequest } from '../chain.ts';
import { conditionsHold, type MatchCondition, type Variables, variablesOf } from './conditions.ts';
import { matchRequest, type Rule } from './match.ts';
import { bindings, policies } from './resources.ts';

interface MatchResources {
  readonly resourceRules?: readonly Rule[];
  readonly excludeResourceRules?: readonly Rule[];
  readonly matchPolicy?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
}

interface Validation {
  readonly expression: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
}

/** admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy. */
interface Policy extends KubeObject {
  readonly spec: {
    readonly paramKind?: { readonly apiVersion: string; readonly kind: string };
    readonly matchConstraints?: MatchResources;
    readonly validations?: readonly Validation[];
    readonly failurePolicy?: string;
    readonly matchConditions?: readonly MatchCondition[];
    readonly variables?: readonly { readonly name: string; readonly expression: string }[];
  };
}

interface ParamRef {
  readonly name?: string;
  readonly namespace?: string;
  readonly selector?: LabelSelector;
  readonly parameterNotFoundAction?: string;
}

interface Binding extends KubeObject {
  readonly spec: {
    readonly policyName: string;
    readonly paramRef?: ParamRef;
    readonly matchResources?: MatchResources;
    readonly validationActions?: readonly string[];
  };
}

/** What is wrong with a request, and how it is told. */
interface Violation {
  readonly message: string;
  readonly reason: string;
}

const codes: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  Invalid: 422,
  RequestEntityTooLarge: 413,
};

/** ValidatingAdmissionPolicies, each through its bindings (KEP-3488). */
export class PolicyAdmission {
  readonly #cache: WatchCache;
  readonly #kinds: KindTable;

  constructor(cache: WatchCache, kinds: KindTable) {
    this.#cache = cache;
    this.#kinds = kinds;
  }

  async validate(request: AdmissionRequest): Promise<void> {
    const all = this.#cache
      .resource(bindings)
      .list()
      .map((object) => object.parse<Binding>());
    let variables: Variables | undefined;
    for (const binding of all) {
      const policy = this.#policyOf(binding);
      if (!policy || !this.#concerns(policy, binding, request)) continue;
      variables ??= { ...variablesOf(request), namespaceObject: this.#namespaceOf(request) };
      for (const violation of this.#violations(policy, binding, request, variables)) {
        act(policy, binding, request, violation);
      }
    }
  }

  #policyOf({ spec }: Binding): Policy | undefined {
    return this.#cache
      .resource(policies)
      .get(objectKey(policies, '', spec.policyName))
      ?.parse<Policy>();
  }

  #concerns(policy: Policy, binding: Binding, request: AdmissionRequest): boolean {
    const matches = (resources: MatchResources | undefined, rules: readonly Rule[] | undefined) =>
      matchRequest(this.#cache, this.#kinds, request, {
        ...resources,
        rules,
        excluded: resources?.excludeResourceRules,
      }) !== undefined;
    const constraints = policy.spec.matchConstraints;
    if (!matches(constraints, constraints?.resourceRules)) return false;
    const narrower = binding.spec.matchResources;
    // A binding without rules of its own is about all that its policy is about.
    return !narrower || matches(narrower, narrower.resourceRules ?? constraints?.resourceRules);
  }

  #namespaceOf({ kind, namespace }: AdmissionRequest): unknown {
    if (!kind.namespaced) return null;
    const found = this.#cache.resource(namespaces).get(objectKey(namespaces, '', namespace));
    return fromAnything(found?.parse() ?? null);
  }

  #violations(policy: Policy, binding: Binding, request: AdmissionRequest, variables: Variables): Violation[] {
    const { failurePolicy, matchConditions = [], validations = [] } = policy.spec;
    const failed = (error: unknown): Violation[] =>
      failurePolicy === 'Ignore' ? [] : [{ message: messageOf(error), reason: 'Invalid' }];
    try {
      if (!conditionsHold(matchConditions, variables)) return [];
      return this.#params(policy, binding, request).flatMap((params) => {
        const scope = withVariables(policy, { ...variables, params: fromAnything(params) });
        return validations.flatMap((validation) => {
          try {
            return violationOf(validation, scope);
          } catch (error) {
            return failed(new Error(`expression '${validation.expression}' resulted in error: ${summaryOf(error)}`));
          }
        });
      });
    } catch (error) {
      return failed(error);
    }
  }

  /** What the policy is evaluated with, once each; `null` where it takes no parameters. */
  #params({ spec }: Policy, binding: Binding, request: AdmissionRequest): (KubeObject | null)[] {
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
    if (found.length > 0) return found.map((each) => view.object(each).parse());
    if (reference.parameterNotFoundAction === 'Allow') return [];
    throw new Error(
      'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
    );
  }
}

/** Variables of a policy are evaluated when they are first asked for, and once. */
function withVariables({ spec }: Policy, scope: Variables): Variables {
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

function violationOf(validation: Validation, scope: Variables): Violation[] {
  if (admissionExpression(validation.expression).run(scope) === true) return [];
  const reason = validation.reason ?? 'Invalid';
  const message = spoken(validation.messageExpression, scope) ?? validation.message?.trim();
  return [{ reason, message: message || `failed expression: ${validation.expression.trim()}` }];
}

function spoken(expression: string | undefined, scope: Variables): string | undefined {
  if (!expression) return undefined;
  try {
    const text = admissionExpression(expression).run(scope);
    return typeof text === 'string' && text.trim() !== '' ? text.trim() : undefined;
  } catch (error) {
    // The validation's own message stands in, as in Kubernetes.
    return messageOf(error) && undefined;
  }
}

function act(policy: Policy, binding: Binding, request: AdmissionRequest, { message, reason }: Violation): void {
  const actions = binding.spec.validationActions ?? [];
  const where = `ValidatingAdmissionPolicy '${policy.metadata?.name}' with binding '${binding.metadata?.name}'`;
  if (actions.includes('Warn')) request.warnings?.push(`Validation failed for ${where}: ${message}`);
  if (!actions.includes('Deny')) return;
  const { status } = forbidden(request.kind, request.name, `${where} denied request: ${message}`);
  throw new StatusError(codes[reason] ?? 422, reason, status.message ?? '', {
    ...status.details,
    causes: [{ message: `${where} denied request: ${message}` }],
  });
}
