import { admissionExpression } from '../../../api/cel/admission.ts';
import { summaryOf } from '../../../api/cel/expression.ts';
import { fromAnything } from '../../../api/cel/values.ts';
import type { Kind } from '../../../api/kind.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { WatchCache } from '../../cache/watch-cache.ts';
import { forbidden, StatusError } from '../../errors.ts';
import type { KindTable } from '../../kinds.ts';
import type { AdmissionRequest } from '../chain.ts';
import { conditionsHold, type Variables } from './conditions.ts';
import { type Binding, type Policy, PolicySet, type PolicySpec, withPolicyVariables } from './policy.ts';
import { validatingPolicies } from './resources.ts';

interface Validation {
  readonly expression: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
}

/** admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy. */
interface Spec extends PolicySpec {
  readonly validations?: readonly Validation[];
  readonly auditAnnotations?: readonly { readonly key: string; readonly valueExpression: string }[];
}

/** What is wrong with a request, and how it is told. */
interface Violation {
  readonly message: string;
  readonly reason: string;
  /** Which of the policy's validations it is of. */
  readonly expressionIndex?: number;
}

/** What the audit log tells of a failure that is to be told there. */
const FAILURE = 'validation.policy.admission.k8s.io/validation_failure';
const MOST_OF_AN_ANNOTATION = 10 * 1024;

const codes: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  Invalid: 422,
  RequestEntityTooLarge: 413,
};

/** ValidatingAdmissionPolicies, each through its bindings (KEP-3488). */
export class ValidatingPolicies {
  readonly #policies: PolicySet<Spec>;

  constructor(cache: WatchCache, kinds: KindTable, authorizer: Authorizer) {
    this.#policies = new PolicySet(cache, kinds, authorizer, validatingPolicies);
  }

  async validate(request: AdmissionRequest): Promise<void> {
    const seen = new Map<Kind, Variables>();
    for (const { policy, binding, shown } of this.#policies.concerned(request)) {
      const variables = seen.get(shown) ?? (await this.#policies.variables(request, shown));
      seen.set(shown, variables);
      for (const violation of await this.#violations(policy, binding, request, variables)) {
        act(policy, binding, request, violation);
      }
    }
  }

  async #violations(
    policy: Policy<Spec>,
    binding: Binding,
    request: AdmissionRequest,
    variables: Variables,
  ): Promise<Violation[]> {
    const { failurePolicy, matchConditions = [], validations = [], auditAnnotations = [] } = policy.spec;
    const failed = (error: unknown): Violation[] =>
      failurePolicy === 'Ignore' ? [] : [{ message: messageOf(error), reason: 'Invalid' }];
    try {
      if (!conditionsHold(matchConditions, variables)) return [];
      const all = await this.#policies.params(policy, binding, request);
      return all.flatMap((params) => {
        const scope = withPolicyVariables(policy, { ...variables, params: fromAnything(params) });
        const attempt = (expression: string, work: () => Violation[]): Violation[] => {
          try {
            return work();
          } catch (error) {
            return failed(new Error(`expression '${expression}' resulted in error: ${summaryOf(error)}`));
          }
        };
        return [
          ...validations.flatMap((validation, index) =>
            attempt(validation.expression, () => violationOf(validation, index, scope)),
          ),
          ...auditAnnotations.flatMap(({ key, valueExpression }) =>
            attempt(valueExpression, () => {
              annotate(request, `${policy.metadata?.name}/${key}`, admissionExpression(valueExpression).run(scope));
              return [];
            }),
          ),
        ];
      });
    } catch (error) {
      return failed(error);
    }
  }
}

/** Nothing is told of a value of `null`; further values of a key stand behind the first. */
function annotate({ annotations }: AdmissionRequest, key: string, value: unknown): void {
  if (!annotations || value === null) return;
  if (typeof value !== 'string') throw new Error('valueExpression must evaluate to a string or null');
  const known = annotations.get(key)?.split(', ') ?? [];
  const all = known.includes(value) ? known : [...known, value];
  annotations.set(key, all.join(', ').slice(0, MOST_OF_AN_ANNOTATION));
}

function violationOf(validation: Validation, expressionIndex: number, scope: Variables): Violation[] {
  if (admissionExpression(validation.expression).run(scope) === true) return [];
  const reason = validation.reason ?? 'Invalid';
  const message = spoken(validation.messageExpression, scope) ?? validation.message?.trim();
  return [{ reason, expressionIndex, message: message || `failed expression: ${validation.expression.trim()}` }];
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

function act(policy: Policy, binding: Binding, request: AdmissionRequest, violation: Violation): void {
  const { message, reason, expressionIndex = 0 } = violation;
  const actions = binding.spec.validationActions ?? [];
  const named = { policy: policy.metadata?.name, binding: binding.metadata?.name };
  const failure = { message, ...named, expressionIndex, validationActions: actions };
  const where = `ValidatingAdmissionPolicy '${policy.metadata?.name}' with binding '${binding.metadata?.name}'`;
  if (actions.includes('Audit')) request.annotations?.set(FAILURE, JSON.stringify([failure]));
  if (actions.includes('Warn')) request.warnings?.push(`Validation failed for ${where}: ${message}`);
  if (!actions.includes('Deny')) return;
  const { status } = forbidden(request.kind, request.name, `${where} denied request: ${message}`);
  throw new StatusError(codes[reason] ?? 422, reason, status.message ?? '', {
    ...status.details,
    causes: [{ message: `${where} denied request: ${message}` }],
  });
}
