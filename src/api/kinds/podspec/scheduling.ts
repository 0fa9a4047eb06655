import type { FieldError } from '../../kind.ts';
import type { LabelSelector, Labels, ObjectMeta, PodSpec, Toleration } from '../../types.ts';
import {
  all,
  duplicate,
  each,
  forbidden,
  invalid,
  notSupported,
  oneOf,
  required,
  ruled,
  ruledIfGiven,
} from '../errors.ts';
import { validateLabelSelector, validateLabelValue, validateOperator } from '../label-selector.ts';
import { validateLabels } from '../metadata.ts';
import { dnsLabel, dnsSubdomain, faults, labelValue, qualifiedName } from '../names.ts';

type Affinity = NonNullable<PodSpec['affinity']>;
type NodeTerm = NonNullable<
  NonNullable<Affinity['nodeAffinity']>['preferredDuringSchedulingIgnoredDuringExecution']
>[number]['preference'];
type NodeRequirement = NonNullable<NodeTerm['matchExpressions']>[number];
type PodTerm = NonNullable<
  NonNullable<Affinity['podAffinity']>['requiredDuringSchedulingIgnoredDuringExecution']
>[number];
type Spread = NonNullable<PodSpec['topologySpreadConstraints']>[number];

const requiredTerms = 'requiredDuringSchedulingIgnoredDuringExecution';
const preferredTerms = 'preferredDuringSchedulingIgnoredDuringExecution';
const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** All that says on which nodes the pod may stand. `pod`: its metadata, if it is one and no template. */
export function validateScheduling(spec: PodSpec, field: string, pod?: ObjectMeta): FieldError[] {
  return all(
    spec.nodeSelector && validateLabels(spec.nodeSelector, `${field}.nodeSelector`),
    spec.affinity && validateAffinity(spec.affinity, `${field}.affinity`, pod?.labels),
    each(spec.tolerations, `${field}.tolerations`, validateToleration),
    validateSpreads(spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`, pod?.labels),
    validateGates(spec.schedulingGates, `${field}.schedulingGates`),
  );
}

function validateGates(gates: PodSpec['schedulingGates'], field: string): FieldError[] {
  return each(gates, field, ({ name = '' }, at, i) => {
    const again = gates?.slice(0, i).some((other) => (other.name ?? '') === name);
    return all(ruled(at, name, qualifiedName), again && [duplicate(at, name)]);
  });
}

export function validateToleration(toleration: Toleration, field: string): FieldError[] {
  const { key = '', operator = '', value = '', effect = '', tolerationSeconds } = toleration;
  const errors = ruledIfGiven(`${field}.key`, key, qualifiedName);
  if (key === '' && operator !== 'Exists') {
    const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
    errors.push(invalid(`${field}.operator`, operator, detail));
  }
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    const detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
    errors.push(invalid(`${field}.effect`, effect, detail));
  }
  return all(
    errors,
    validateTolerated(operator, value, `${field}.operator`),
    effect !== '' && oneOf(`${field}.effect`, effect, effects),
  );
}

function validateTolerated(operator: string, value: string, field: string): FieldError[] {
  switch (operator) {
    case '':
    case 'Equal': {
      const wrong = faults(labelValue, value);
      return wrong.length > 0 ? [invalid(field, value, wrong.join(';'))] : [];
    }
    case 'Exists':
      return value === '' ? [] : [invalid(field, value, "value must be empty when `operator` is 'Exists'")];
    // Known, but refused until they are switched on (KEP-5471).
    case 'Lt':
    case 'Gt':
      return [notSupported(field, operator, ['Equal', 'Exists', 'Lt', 'Gt'])];
    default:
      return [notSupported(field, operator, ['Equal', 'Exists'])];
  }
}

/** Taints of a node. */
export function validateTaintEffect(effect: string | undefined, field: string): FieldError[] {
  return effect ? oneOf(field, effect, effects) : [required(field)];
}

function validateAffinity(affinity: Affinity, field: string, labels: Labels | undefined): FieldError[] {
  return all(
    validateNodeAffinity(affinity.nodeAffinity, `${field}.nodeAffinity`),
    validatePodAffinity(affinity.podAffinity, `${field}.podAffinity`, labels),
    validatePodAffinity(affinity.podAntiAffinity, `${field}.podAntiAffinity`, labels),
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
  return each(terms, field, (term, at) =>
    all(
      validateNodeTerm(term, at),
      each(term.matchExpressions, `${at}.matchExpressions`, ({ values }, place) =>
        each(values, `${place}.values`, validateLabelValue),
      ),
    ),
  );
}

/** Values may be what no label has: a preference is then just not met. */
function validateNodeTerm(term: NodeTerm | undefined, field: string): FieldError[] {
  return all(
    each(term?.matchExpressions, `${field}.matchExpressions`, (one, at) =>
      all(validateNodeRequirement(one, at), ruled(`${at}.key`, one.key ?? '', qualifiedName)),
    ),
    each(term?.matchFields, `${field}.matchFields`, validateNodeField),
  );
}

/** The only field of a node that can be asked for is its name, one at a time. */
function validateNodeField({ key, operator, values = [] }: NodeRequirement, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (operator !== 'In' && operator !== 'NotIn') {
    errors.push(invalid(`${field}.operator`, operator ?? '', 'not a valid selector operator'));
  } else if (values.length !== 1) {
    const detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
    errors.push(required(`${field}.values`, detail));
  }
  if (key !== 'metadata.name') {
    return [...errors, invalid(`${field}.key`, key ?? '', 'not a valid field selector key')];
  }
  return all(
    errors,
    each(values, `${field}.values`, (name, at) => ruled(at, name, dnsSubdomain)),
  );
}

function validateNodeRequirement(requirement: NodeRequirement, field: string): FieldError[] {
  const { operator, values = [] } = requirement;
  if (operator !== 'Gt' && operator !== 'Lt') return validateOperator(requirement, field);
  if (values.length === 1) return [];
  return [required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'")];
}

function validatePodAffinity(
  affinity: Affinity['podAffinity'],
  field: string,
  labels: Labels | undefined,
): FieldError[] {
  const validateTerm = (term: PodTerm, at: string) => validatePodTerm(term, at, labels);
  return all(
    each(affinity?.[requiredTerms], `${field}.${requiredTerms}`, validateTerm),
    each(affinity?.[preferredTerms], `${field}.${preferredTerms}`, ({ weight, podAffinityTerm }, at) =>
      all(validateWeight(weight, `${at}.weight`), validateTerm(podAffinityTerm, `${at}.podAffinityTerm`)),
    ),
  );
}

function validatePodTerm(term: PodTerm | undefined, field: string, labels: Labels | undefined): FieldError[] {
  return all(
    validateLabelSelector(term?.labelSelector, `${field}.labelSelector`),
    validateLabelSelector(term?.namespaceSelector, `${field}.namespaceSelector`),
    term?.namespaces?.flatMap((name) => ruled(`${field}.namespace`, name, dnsLabel)),
    validateMatchedKeys(term, field, labels),
    validateTopologyKey(term?.topologyKey, `${field}.topologyKey`),
    ruled(`${field}.topologyKey`, term?.topologyKey ?? '', qualifiedName),
  );
}

function validateTopologyKey(key: string | undefined, field: string): FieldError[] {
  return key ? [] : [required(field, 'can not be empty')];
}

interface MatchedKeys {
  readonly labelSelector?: LabelSelector;
  readonly matchLabelKeys?: readonly string[];
  readonly mismatchLabelKeys?: readonly string[];
}

/**
 * Keys whose values are the pod's own (KEP-3633). Those that the pod has join the selector, which then must not ask
 * for them itself.
 */
function validateMatchedKeys(term: MatchedKeys | undefined, field: string, labels: Labels | undefined): FieldError[] {
  const { labelSelector, matchLabelKeys, mismatchLabelKeys } = term ?? {};
  if (!matchLabelKeys?.length && !mismatchLabelKeys?.length) return [];
  const selected = [
    ...Object.keys(labelSelector?.matchLabels ?? {}),
    ...(labelSelector?.matchExpressions ?? []).map(({ key }) => key),
    ...(matchLabelKeys ?? []).filter((key) => labels?.[key] !== undefined),
  ];
  return all(
    validateLabelKeys(matchLabelKeys, labelSelector, `${field}.matchLabelKeys`),
    validateLabelKeys(mismatchLabelKeys, labelSelector, `${field}.mismatchLabelKeys`),
    matchLabelKeys?.flatMap((key, i) =>
      selected.indexOf(key) !== selected.lastIndexOf(key)
        ? [invalid(`${field}[${i}]`, key, 'exists in both matchLabelKeys and labelSelector')]
        : [],
    ),
    each(matchLabelKeys, `${field}.matchLabelKeys`, (key, at) =>
      mismatchLabelKeys?.includes(key) ? [invalid(at, key, 'exists in both matchLabelKeys and mismatchLabelKeys')] : [],
    ),
  );
}

function validateLabelKeys(
  keys: readonly string[] | undefined,
  selector: LabelSelector | undefined,
  field: string,
): FieldError[] {
  if (!keys?.length) return [];
  if (!selector) return [forbidden(field, 'must not be specified when labelSelector is not set')];
  return each(keys, field, (key, at) => ruled(at, key, qualifiedName));
}

function validateWeight(weight: number, field: string): FieldError[] {
  return weight >= 1 && weight <= 100 ? [] : [invalid(field, weight ?? 0, 'must be in the range 1-100')];
}

function validateSpreads(
  spreads: readonly Spread[] | undefined,
  field: string,
  labels: Labels | undefined,
): FieldError[] {
  return each(spreads, field, (spread, at, i) => {
    const { topologyKey = '', whenUnsatisfiable = '' } = spread;
    const again = spreads
      ?.slice(i + 1)
      .some(
        (other) => (other.topologyKey ?? '') === topologyKey && (other.whenUnsatisfiable ?? '') === whenUnsatisfiable,
      );
    const place = `${at}.{topologyKey, whenUnsatisfiable}`;
    return all(
      validateSpread(spread, at, labels),
      again && [duplicate(place, `{${topologyKey}, ${whenUnsatisfiable}}`)],
    );
  });
}

const nodePolicies = ['Honor', 'Ignore'];

function validateSpread(spread: Spread, field: string, labels: Labels | undefined): FieldError[] {
  const { maxSkew: skew = 0, nodeAffinityPolicy, nodeTaintsPolicy } = spread;
  return all(
    skew > 0 ? [] : [invalid(`${field}.maxSkew`, skew, 'must be greater than zero')],
    validateTopologyKey(spread.topologyKey, `${field}.topologyKey`),
    oneOf(`${field}.whenUnsatisfiable`, spread.whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']),
    validateMinDomains(spread, `${field}.minDomains`),
    nodeAffinityPolicy !== undefined && oneOf(`${field}.nodeAffinityPolicy`, nodeAffinityPolicy, nodePolicies),
    nodeTaintsPolicy !== undefined && oneOf(`${field}.nodeTaintsPolicy`, nodeTaintsPolicy, nodePolicies),
    validateMatchedKeys(spread, field, labels),
    validateLabelSelector(spread.labelSelector, `${field}.labelSelector`),
  );
}

function validateMinDomains({ minDomains, whenUnsatisfiable = '' }: Spread, field: string): FieldError[] {
  if (minDomains === undefined) return [];
  const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
  return all(
    minDomains <= 0 && [invalid(field, minDomains, 'must be greater than zero')],
    whenUnsatisfiable !== 'DoNotSchedule' && [invalid(field, minDomains, detail)],
  );
}
