import { admissionExpression } from '../../../api/cel/admission.ts';
import { summaryOf } from '../../../api/cel/expression.ts';
import { fromAnything } from '../../../api/cel/values.ts';
import type { AdmissionRequest } from '../chain.ts';
import { reviewRequest } from './review.ts';

/** What expressions of admission may speak of. */
export type Variables = Readonly<Record<string, unknown>>;

/** The request, and the object before and after, as CEL values; made once for all who ask. */
export function variablesOf(request: AdmissionRequest): Variables {
  return {
    object: fromAnything(request.object ?? null),
    oldObject: fromAnything(request.old ?? null),
    request: fromAnything(JSON.parse(JSON.stringify({ ...reviewRequest(request, request.kind, ''), object: null }))),
    params: null,
    namespaceObject: null,
    variables: {},
  };
}

export interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

/**
 * Whether all conditions hold. One that is false settles it, whatever the others are.
 *
 * @throws Error where one cannot be evaluated and none is false
 */
export function conditionsHold(conditions: readonly MatchCondition[], variables: Variables): boolean {
  let failure: Error | undefined;
  for (const { name, expression } of conditions) {
    try {
      if (admissionExpression(expression).run(variables) !== true) return false;
    } catch (error) {
      failure ??= new Error(
        `expression '${expression}' of match condition ${name} resulted in error: ${summaryOf(error)}`,
      );
    }
  }
  if (failure) throw failure;
  return true;
}
