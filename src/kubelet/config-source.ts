import type { Resource } from '../api/resource.ts';
import { configMaps, secrets } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import { type Client, isNotFound } from '../client/client.ts';
import type { ConfigSource } from './env.ts';

/** Pods that start together ask for the same objects; one answer serves them for this long. */
const FRESH_MS = 1_000;

/**
 * Config maps and secrets, asked for one by one when a pod needs them: a node may read only what its own pods use, so
 * there is nothing to list or watch.
 */
export function createConfigSource(client: Client): ConfigSource {
  const configMap = lookup(client, configMaps);
  const secret = lookup(client, secrets);
  return { configMap, secret };
}

function lookup<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
): (namespace: string, name: string) => Promise<T | undefined> {
  const answers = new Map<string, { readonly at: number; readonly answer: Promise<T | undefined> }>();
  const get = async (namespace: string, name: string) => {
    try {
      return await client.get(resource, { namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  return (namespace, name) => {
    // Not the time of day, which may be set back.
    const now = performance.now();
    for (const [key, { at }] of answers) if (now - at > FRESH_MS) answers.delete(key);
    const key = `${namespace}/${name}`;
    const known = answers.get(key);
    if (known) return known.answer;
    const answer = get(namespace, name);
    answers.set(key, { at: now, answer });
    // What failed is asked for again by the next one.
    answer.catch(() => answers.delete(key));
    return answer;
  };
}
