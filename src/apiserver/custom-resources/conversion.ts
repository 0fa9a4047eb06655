import { randomUUID } from 'node:crypto';
import type { Convert } from '../../api/kind.ts';
import type { CustomResourceDefinition, KubeObject } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { WebhookClient } from '../admission/dynamic/webhook-client.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import { StatusError } from '../errors.ts';

type Webhook = NonNullable<NonNullable<CustomResourceDefinition['spec']['conversion']>['webhook']>;

const TIMEOUT_MS = 30_000;

/** Asks definitions' conversion webhooks, over connections that stay open for a while. */
export class Conversions {
  readonly #client: WebhookClient;

  constructor(cache: WatchCache) {
    this.#client = new WebhookClient(cache);
  }

  /** Who translates between a definition's versions; `undefined` where they differ in name only. */
  of({ spec }: CustomResourceDefinition): Convert | undefined {
    const { strategy, webhook } = spec.conversion ?? {};
    return strategy === 'Webhook' && webhook ? convertBy(this.#client, webhook) : undefined;
  }

  stop(): void {
    this.#client.stop();
  }
}

/**
 * Asks a definition's conversion webhook (apiextensions.k8s.io/v1 ConversionReview) to translate objects.
 *
 * @throws StatusError 500 where the webhook cannot be asked, fails, or answers with other objects
 */
function convertBy(client: WebhookClient, { clientConfig }: Webhook): Convert {
  return async (objects, apiVersion) => {
    const uid = randomUUID();
    const request = { uid, desiredAPIVersion: apiVersion, objects };
    const review = { kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1', request };
    try {
      const answer = await client.post(clientConfig ?? {}, review, TIMEOUT_MS);
      const converted = convertedOf(answer, uid, objects.length);
      return objects.map((object, index) => checked(object, converted[index] as KubeObject, apiVersion));
    } catch (error) {
      const { apiVersion: from = '', kind = '' } = objects[0] ?? {};
      const why = `conversion webhook for ${from}, Kind=${kind} failed: ${messageOf(error)}`;
      throw new StatusError(500, 'InternalError', why);
    }
  };
}

interface ConversionResponse {
  readonly uid?: string;
  readonly result?: { readonly status?: string; readonly message?: string };
  readonly convertedObjects?: readonly KubeObject[];
}

function convertedOf(answer: unknown, uid: string, count: number): readonly KubeObject[] {
  const { response } = (answer ?? {}) as { response?: ConversionResponse };
  if (!response) throw new Error('no response provided');
  if (response.uid !== uid) throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${response.uid}`);
  const { result, convertedObjects = [] } = response;
  if (result?.status !== 'Success')
    throw new Error(result?.message || `response.result.status was '${result?.status ?? ''}', not 'Success'`);
  if (convertedObjects.length !== count) {
    throw new Error(`expected ${count} converted objects, got ${convertedObjects.length}`);
  }
  return convertedObjects;
}

/** A webhook translates what the object says; of its metadata only labels and annotations are its to change. */
function checked(before: KubeObject, after: KubeObject, apiVersion: string): KubeObject {
  if (after?.apiVersion !== apiVersion) {
    throw new Error(`returned object has the wrong apiVersion: ${after?.apiVersion}, expected ${apiVersion}`);
  }
  if (after.kind !== before.kind) throw new Error(`returned object has the wrong kind: ${after.kind}`);
  const { labels, annotations } = after.metadata ?? {};
  const { labels: _, annotations: __, ...kept } = before.metadata ?? {};
  for (const field of ['name', 'namespace', 'uid'] as const) {
    if (after.metadata?.[field] !== before.metadata?.[field]) throw new Error(`must not change metadata.${field}`);
  }
  const metadata = { ...kept, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
  const { apiVersion: version, kind, metadata: ___, ...rest } = after;
  return { apiVersion: version, kind, metadata, ...rest } as KubeObject;
}
