import type { ResourceRule } from './authorizer.ts';
import { ruleAllows } from './rbac.ts';

/** What a rule grants, one by one: a verb on a resource (of a name), or on a path. */
type Right = ResourceRule & { readonly verbs: readonly [string] };

/** The rights in `wanted` that no rule in `held` grants, in the form in which Kubernetes names them. */
export function missingRights(held: readonly ResourceRule[], wanted: readonly ResourceRule[]): string[] {
  return [...new Set(missingRules(held, wanted).map(describe))].sort();
}

/** The same as rules. */
export function missingRules(held: readonly ResourceRule[], wanted: readonly ResourceRule[]): ResourceRule[] {
  const missing = wanted.flatMap(rightsOf).filter((right) => {
    const attributes = attributesOf(right);
    return !held.some((rule) => ruleAllows(rule, attributes));
  });
  return compact(missing);
}

function rightsOf(rule: ResourceRule): Right[] {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  const names = resourceNames.length === 0 ? [[]] : resourceNames.map((name) => [name]);
  return verbs.flatMap((verb) => [
    ...apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        names.map((name): Right => {
          const named = name.length > 0 ? { resourceNames: name } : {};
          return { verbs: [verb], apiGroups: [group], resources: [resource], ...named };
        }),
      ),
    ),
    ...nonResourceURLs.map((url): Right => ({ verbs: [verb], nonResourceURLs: [url] })),
  ]);
}

/** A right is a request that a rule allows; `*` is asked for as such. */
function attributesOf({ verbs: [verb], apiGroups, resources, resourceNames, nonResourceURLs }: Right) {
  const [path] = nonResourceURLs ?? [];
  if (path !== undefined) return { verb, path };
  const [plural = '', subresource = ''] = (resources?.[0] ?? '').split('/');
  const name = resourceNames?.[0] ?? '';
  return { verb, resource: { group: apiGroups?.[0] ?? '', version: '', plural, subresource, namespace: '', name } };
}

/** Rights of one resource (and name) are told together. */
function compact(rights: readonly Right[]): ResourceRule[] {
  const groups = Map.groupBy(rights, ({ verbs: _, ...rest }) => JSON.stringify(rest));
  return [...groups.values()].map((group) => ({ ...group[0]!, verbs: group.flatMap(({ verbs }) => verbs) }));
}

function describe({ apiGroups, resources, nonResourceURLs, resourceNames, verbs }: ResourceRule): string {
  const parts = Object.entries({
    APIGroups: apiGroups,
    Resources: resources,
    NonResourceURLs: nonResourceURLs,
    ResourceNames: resourceNames,
    Verbs: verbs,
  });
  const told = parts.flatMap(([name, list]) => (list?.length ? [`${name}:${quotedList(list)}`] : []));
  return `{${told.join(', ')}}`;
}

/** `["a" "b"]`, as Go prints a list of strings. */
export const quotedList = (list: readonly string[]): string =>
  `[${list.map((each) => JSON.stringify(each)).join(' ')}]`;
