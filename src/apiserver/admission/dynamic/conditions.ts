import { admissionExpression } from '../../../api/cel/admission.ts';
import { CelAuthorizer, type Question, type Verdict } from '../../../api/cel/authorizer.ts';
import { summaryOf } from '../../../api/cel/expression.ts';
import { fromAnything } from '../../../api/cel/values.ts';
import { parseFieldSelector } from '../../../api/field-selectors.ts';
import type { Kind } from '../../../api/kind.ts';
import type { Attributes, Authorizer } from '../../auth/authorizer.ts';
import { serviceAccountUser } from '../../auth/service-accounts.ts';
import type { User } from '../../request.ts';
import type { AdmissionRequest } from '../chain.ts';
import { reviewRequest, shownObjects } from './review.ts';

/** What expressions of admission may speak of. */
export type Variables = Readonly<Record<string, unknown>>;

/** The objects are variables of their own. */
const nothing = { object: null, oldObject: null };

/** The request, and the object before and after in the version that is `shown`, as CEL values. */
export async function variablesOf(request: AdmissionRequest, shown: Kind, authorizer: Authorizer): Promise<Variables> {
  const { object, oldObject } = await shownObjects(request, shown);
  return {
    object: fromAnything(object),
    oldObject: fromAnything(oldObject),
    request: fromAnything(JSON.parse(JSON.stringify(reviewRequest(request, shown, '', nothing)))),
    params: null,
    namespaceObject: null,
    variables: {},
    authorizer: authorizerOf(request, shown, authorizer),
  };
}

function authorizerOf(request: AdmissionRequest, shown: Kind, authorizer: Authorizer): CelAuthorizer {
  const { subresource, namespace, name, user } = request;
  const ask = (question: Question): Verdict => authorizer.authorize(attributesOf(question, user));
  return new CelAuthorizer(ask, { group: shown.group, plural: shown.plural, subresource, namespace, name });
}

function attributesOf({ verb, path, resource, serviceAccount }: Question, asking: User): Attributes {
  const user = serviceAccount ? serviceAccountUser(serviceAccount) : asking;
  if (!resource) return { user, verb, path };
  const { fieldSelector, labelSelector: _, ...about } = resource;
  return { user, verb, resource: { ...about, version: '*', selected: selectedBy(fieldSelector) } };
}

/** A selector that cannot be read narrows nothing down. */
function selectedBy(fieldSelector: string): Readonly<Record<string, string>> | undefined {
  if (fieldSelector === '') return undefined;
  try {
    return parseFieldSelector(fieldSelector).equalities;
  } catch {
    return undefined;
  }
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
