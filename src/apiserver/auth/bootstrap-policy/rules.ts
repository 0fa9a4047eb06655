import type { ResourceRule } from '../authorizer.ts';

export type Rule = ResourceRule;

/** Verbs. */
export const read = 'get list watch';

const words = (text: string): string[] => text.split(' ');

/** `resources`, `verbs` and `names` are lists of words; the core group is `''`. */
export function rule(group: string | readonly string[], resources: string, verbs: string, names?: string): Rule {
  return {
    apiGroups: typeof group === 'string' ? [group] : group,
    resources: words(resources),
    verbs: words(verbs),
    ...(names === undefined ? {} : { resourceNames: words(names) }),
  };
}

/** About paths that are no resources. */
export const paths = (urls: string, verb = 'get'): Rule => ({ nonResourceURLs: words(urls), verbs: [verb] });

/** What nearly everybody may: tell events, in both groups that have them. */
export const tellEvents = rule(['', 'events.k8s.io'], 'events', 'create patch update');
