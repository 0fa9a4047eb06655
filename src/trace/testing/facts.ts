import type { Resource } from '../../api/resource.ts';
import { compileLabels } from '../../api/selectors.ts';
import type { KubeObject } from '../../api/types.ts';
import type { SelectorOptions } from '../../client/client.ts';
import { Facts, type ProxySource, type Source } from '../explain/facts.ts';

/** By the plural of their kind. */
export type TestObjects = Partial<Record<string, readonly KubeObject[]>>;

/** A cluster of these objects; `known`: of these kinds of the Gateway API. */
export function testFacts(objects: TestObjects, known: readonly string[] = [], proxy?: ProxySource): Facts {
  const list = ({ plural }: Resource) => objects[plural] ?? [];
  const source: Source = {
    get: async <T extends KubeObject>(resource: Resource<T>, namespace: string | undefined, name: string) =>
      list(resource).find(({ metadata }) => metadata?.namespace === namespace && metadata?.name === name) as T,
    list: async <T extends KubeObject>(resource: Resource<T>, { namespace, labelSelector }: SelectorOptions = {}) => {
      const terms = (labelSelector ?? '').split(',').filter(Boolean);
      const labels = compileLabels(Object.fromEntries(terms.map((term) => term.split('='))));
      const found = list(resource).filter(
        ({ metadata }) =>
          (namespace ?? metadata?.namespace) === metadata?.namespace &&
          (terms.length === 0 || labels.matches(metadata?.labels)),
      );
      return found as readonly unknown[] as readonly T[];
    },
    raw: async () => JSON.stringify({ resources: known.map((kind) => ({ kind })) }),
  };
  return new Facts(source, undefined, proxy);
}
