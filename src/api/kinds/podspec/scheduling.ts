import type { FieldError } from '../../kind.ts';
import type { LabelSelector, PodSpec, Toleration } from '../../types.ts';
import { all, each, forbidden, invalid, oneOf, required } from '../errors.ts';
import { validateLabelSelector, validateOperator } from '../label-selector.ts';
import { validateLabels } from '../metadata.ts';
import { labelValue, qualifiedName } from '../names.ts';

type Affinity = NonNullable<PodSpec['affinity']>;
type NodeTerm = NonNullable<
  NonNullable<Affinity['nodeAffinity']>['preferredDuringSchedulingIgnoredDuringExecution']
>[number]['preference'];
type NodeRequirement = NonNullable<NodeTerm['matchExpressions']>[number];
type PodTerm = { labelSelector?: LabelSelector; namespaceSelector?: LabelSelector; topologyKey: string };
type Spread = NonNullable<PodSpec['topologySpreadConstraints']>[number];

const requiredTerms = 'requiredDuringSchedulingIgnoredDuringExecution';
const preferredTerms = 'preferredDuringSchedulingIgnoredDuringExecution';
const effects = ['NoExecute', 'NoSchedule', 'PreferNoSchedule'];

/** All that says on which nodes the pod may stand. */
export function validateScheduling(spec: PodSpec, field: string): FieldError[] {
  return all(
    spec.nodeSelector && validateLabels(spec.nodeSelector, `${field}.nodeSelector`),
    spec.affinity && validateAffinity(spec.affinity, `${field}.affinity`),
    each(spec.tolerations, `${field}.tolerations`, validateToleration),
    each(spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`, validateSpread),
    validateGates(spec, field),
  );
}

function validateGates(spec: PodSpec, field: string): FieldError[] {
  const gates = spec.schedulingGates;
  if (!gates) return [];
  const wrong = each(gates, `${field}.schedulingGates`, ({ name }, at) => {
    const detail = qualifiedName(name ?? '');
    return detail ? [invalid(at, name ?? '', detail)] : [];
  });
  if (gates.length === 0 || !spec.nodeName) return wrong;
  return [...wrong, forbidden(`${field}.nodeName`, 'cannot be set until all schedulingGates have been cleared')];
}

function validateToleration(toleration: Toleration, field: string): FieldError[] {
  const { key = '', operator = '', value = '', effect = '', tolerationSeconds } = toleration;
  const wrongKey = key === '' ? undefined : qualifiedName(key);
  const errors = wrongKey ? [invalid(`${field}.key`, key, wrongKey)] : [];
  if (key === '' && operator !== 'Exists') {
    const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
    errors.push(invalid(`${field}.operator`, operator, detail));
  }
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    const detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
    errors.push(invalid(`${field}.effect`, effect, detail));
  }
  const wrongValue = operator === 'Exists' ? undefined : labelValue(value);
  if (wrongValue) errors.push(invalid(`${field}.operator`, value, wrongValue));
  if (operator === 'Exists' && value !== '') {
    errors.push(invalid(`${field}.operator`, toleration, "value must be empty when `operator` is 'Exists'"));
  }
  return all(
    errors,
    operator === '' ? [] : oneOf(`${field}.operator`, operator, ['Equal', 'Exists']),
    effect === '' ? [] : oneOf(`${field}.effect`, effect, effects),
  );
}

/** Taints of a node. */
export function validateTaintEffect(effect: string | undefined, field: string): FieldError[] {
  return effect ? oneOf(field, effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']) : [required(field)];
}

function validateAffinity(affinity: Affinity | undefined, field: string): FieldError[] {
  return all(
    validateNodeAffinity(affinity?.nodeAffinity, `${field}.nodeAffinity`),
    validatePodAffinity(affinity?.podAffinity, `${field}.podAffinity`),
    validatePodAffinity(affinity?.podAntiAffinity, `${field}.podAntiAffinity`),
  );
}

function validateNodeAffinity(affinity: Affinity['nodeAffinity'], field: string): FieldError[] {
  const must = affinity?.[requiredTerms];
  return all(
    must ? validateNodeTerms(must.nodeSelectorTerms ?? [], `${field}.${requiredTerms}.nodeSelectorTerms`) : [],
    each(affinity?.[preferredTerms], `${field}.${preferredTerms}`, ({ weight, preference }, at) =>
      all(validateWeight(weight, `${at}.weight`), validateNodeTerm(preference, `${at}.preference`)),
    ),
  );
}

function validateNodeTerms(terms: readonly NodeTerm[], field: string): FieldError[] {
  if (terms.length === 0) return [required(field, 'must have at least one node selector term')];
  return each(terms, field, validateNodeTerm);
}

function validateNodeTerm(term: NodeTerm | undefined, field: string): FieldError[] {
  return each(term?.matchExpressions, `${field}.matchExpressions`, (one, at) => {
    const wrongKey = qualifiedName(one.key ?? '');
    return all(validateNodeRequirement(one, at), wrongKey ? [invalid(`${at}.key`, one.key ?? '', wrongKey)] : []);
  });
}

function validateNodeRequirement(requirement: NodeRequirement, field: string): FieldError[] {
  const { operator, values = [] } = requirement;
  if (operator !== 'Gt' && operator !== 'Lt') return validateOperator(requirement, field);
  if (values.length === 1) return [];
  return [required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'")];
}

function validatePodAffinity(affinity: Affinity['podAffinity'], field: string): FieldError[] {
  return all(
    each(affinity?.[requiredTerms], `${field}.${requiredTerms}`, validatePodTerm),
    each(affinity?.[preferredTerms], `${field}.${preferredTerms}`, ({ weight, podAffinityTerm }, at) =>
      all(validateWeight(weight, `${at}.weight`), validatePodTerm(podAffinityTerm, `${at}.podAffinityTerm`)),
    ),
  );
}

function validatePodTerm(term: PodTerm | undefined, field: string): FieldError[] {
  return all(
    validateLabelSelector(term?.labelSelector, `${field}.labelSelector`),
    validateLabelSelector(term?.namespaceSelector, `${field}.namespaceSelector`),
    validateTopologyKey(term?.topologyKey, `${field}.topologyKey`),
  );
}

function validateTopologyKey(key: string | undefined, field: string): FieldError[] {
  if (!key) return [required(field, 'can not be empty')];
  const wrong = qualifiedName(key);
  return wrong ? [invalid(field, key, wrong)] : [];
}

function validateWeight(weight: number, field: string): FieldError[] {
  return weight >= 1 && weight <= 100 ? [] : [invalid(field, weight ?? 0, 'must be in the range 1-100')];
}

function validateSpread(spread: Spread, field: string): FieldError[] {
  const skew = spread.maxSkew ?? 0;
  return all(
    skew > 0 ? [] : [invalid(`${field}.maxSkew`, skew, 'must be greater than zero')],
    validateTopologyKey(spread.topologyKey, `${field}.topologyKey`),
    oneOf(`${field}.whenUnsatisfiable`, spread.whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']),
    validateLabelSelector(spread.labelSelector, `${field}.labelSelector`),
  );
}
