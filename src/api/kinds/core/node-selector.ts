import type { FieldError } from '../../kind.ts';
import type { PersistentVolume } from '../../types.ts';
import { all, each, invalid, required } from '../errors.ts';
import { validateOperator } from '../label-selector.ts';
import { dnsSubdomain, labelValue, qualifiedName } from '../names.ts';

type Selector = NonNullable<NonNullable<NonNullable<PersistentVolume['spec']>['nodeAffinity']>['required']>;
type Term = NonNullable<Selector['nodeSelectorTerms']>[number];
type Requirement = NonNullable<Term['matchExpressions']>[number];

/** Which nodes something can be reached from: those that any of the terms fits. */
export function validateNodeSelector(selector: Selector, field: string): FieldError[] {
  const terms = selector.nodeSelectorTerms ?? [];
  return all(
    terms.length === 0 && [required(`${field}.nodeSelectorTerms`, 'must have at least one node selector term')],
    each(terms, `${field}.nodeSelectorTerms`, ({ matchExpressions, matchFields }, at) => [
      ...each(matchExpressions, `${at}.matchExpressions`, validateExpression),
      ...each(matchFields, `${at}.matchFields`, validateNameField),
    ]),
  );
}

function validateExpression(requirement: Requirement, field: string): FieldError[] {
  const { key = '', operator, values = [] } = requirement;
  const wrongKey = qualifiedName(key);
  const compares = operator === 'Gt' || operator === 'Lt';
  const single = "must be specified single value when `operator` is 'Lt' or 'Gt'";
  return all(
    compares ? values.length !== 1 && [required(`${field}.values`, single)] : validateOperator(requirement, field),
    wrongKey && [invalid(`${field}.key`, key, wrongKey)],
    each(values, `${field}.values`, (value, at) => {
      const wrong = labelValue(value);
      return wrong ? [invalid(at, value, wrong)] : [];
    }),
  );
}

/** Of a node's fields, only its name can be asked for. */
function validateNameField({ key = '', operator = '', values = [] }: Requirement, field: string): FieldError[] {
  const isKnown = operator === 'In' || operator === 'NotIn';
  const single = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
  return all(
    isKnown && values.length !== 1 && [required(`${field}.values`, single)],
    !isKnown && [invalid(`${field}.operator`, operator, 'not a valid selector operator')],
    key === 'metadata.name'
      ? each(values, `${field}.values`, (value, at) => {
          const wrong = dnsSubdomain(value);
          return wrong ? [invalid(at, value, wrong)] : [];
        })
      : [invalid(`${field}.key`, key, 'not a valid field selector key')],
  );
}
