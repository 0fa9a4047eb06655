import type { Kind } from '../../../api/kind.ts';
import { namespaces } from '../../../api/resource.ts';
import { compileLabelSelector } from '../../../api/selectors.ts';
import type { KubeObject, LabelSelector, Labels } from '../../../api/types.ts';
import { objectKey, type WatchCache } from '../../cache/watch-cache.ts';
import type { KindTable } from '../../kinds.ts';
import type { AdmissionRequest } from '../chain.ts';

/** admissionregistration.k8s.io/v1 RuleWithOperations, and NamedRuleWithOperations with names. */
export interface Rule {
  readonly operations?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly apiVersions?: readonly string[];
  readonly resources?: readonly string[];
  readonly scope?: string;
  readonly resourceNames?: readonly string[];
}

/** What a webhook, a policy or a binding is about. */
export interface Matching {
  readonly rules?: readonly Rule[];
  readonly excluded?: readonly Rule[];
  readonly matchPolicy?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
}

/**
 * The kind as which a request is shown to whom it concerns: its own, or with `matchPolicy: Equivalent` another version
 * of it; `undefined` where it does not concern them.
 */
export function matchRequest(
  cache: WatchCache,
  kinds: KindTable,
  request: AdmissionRequest,
  matching: Matching,
): Kind | undefined {
  if (!namespaceMatches(cache, request, matching.namespaceSelector)) return undefined;
  if (!objectMatches(request, matching.objectSelector)) return undefined;
  const candidates = [request.kind, ...(matching.matchPolicy === 'Exact' ? [] : otherVersions(kinds, request.kind))];
  if (candidates.some((kind) => matching.excluded?.some((rule) => ruleMatches(rule, request, kind)))) return undefined;
  return candidates.find((kind) => matching.rules?.some((rule) => ruleMatches(rule, request, kind)));
}

function otherVersions(kinds: KindTable, kind: Kind): Kind[] {
  return kinds.all.filter((each) => each !== kind && each.group === kind.group && each.plural === kind.plural);
}

const includes = (list: readonly string[] | undefined, value: string): boolean =>
  list?.includes('*') === true || list?.includes(value) === true;

function ruleMatches(rule: Rule, { operation, subresource, name }: AdmissionRequest, kind: Kind): boolean {
  const { operations, apiGroups, apiVersions, resources, scope = '*', resourceNames = [] } = rule;
  if (!includes(operations, operation) || !includes(apiGroups, kind.group)) return false;
  if (!includes(apiVersions, kind.version)) return false;
  if (scope !== '*' && (scope === 'Namespaced') !== kind.namespaced) return false;
  if (resourceNames.length > 0 && !resourceNames.includes(name)) return false;
  return (resources ?? []).some((pattern) => resourceMatches(pattern, kind.plural, subresource));
}

/** `pods`, `pods/status`, `pods/*`, `*`, `*` with a subresource, and everything: `*` with any. */
function resourceMatches(pattern: string, plural: string, subresource: string): boolean {
  const [resource = '', below = ''] = pattern.split('/');
  return (resource === '*' || resource === plural) && (below === '*' || below === subresource);
}

/** Objects that are in no namespace are not left out; a namespace goes by its own labels. */
function namespaceMatches(cache: WatchCache, request: AdmissionRequest, selector: LabelSelector | undefined): boolean {
  if (isEmpty(selector)) return true;
  const { kind, namespace, object, old } = request;
  const isNamespace = kind.group === '' && kind.kind === 'Namespace';
  if (!isNamespace && !kind.namespaced) return true;
  const labels = isNamespace
    ? (object ?? old)?.metadata?.labels
    : cache.resource(namespaces).get(objectKey(namespaces, '', namespace))?.labels;
  return selects(selector, labels);
}

function objectMatches({ object, old }: AdmissionRequest, selector: LabelSelector | undefined): boolean {
  if (isEmpty(selector)) return true;
  return [object, old].some((each: KubeObject | undefined) => each && selects(selector, each.metadata?.labels));
}

const isEmpty = (selector: LabelSelector | undefined): boolean =>
  !selector || (!selector.matchExpressions?.length && Object.keys(selector.matchLabels ?? {}).length === 0);

const selects = (selector: LabelSelector | undefined, labels: Labels | undefined): boolean =>
  compileLabelSelector(selector).matches(labels ?? {});
