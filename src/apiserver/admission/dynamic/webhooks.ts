import { randomUUID } from 'node:crypto';
import type { Kind } from '../../../api/kind.ts';
import { applyJsonPatch, type Json } from '../../../api/patch/index.ts';
import type { KubeObject, LabelSelector, Status } from '../../../api/types.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { CachedObject } from '../../cache/object.ts';
import type { WatchCache } from '../../cache/watch-cache.ts';
import { badRequest, internalError, StatusError } from '../../errors.ts';
import type { KindTable } from '../../kinds.ts';
import type { AdmissionRequest } from '../chain.ts';
import { conditionsHold, type MatchCondition, variablesOf } from './conditions.ts';
import { matchRequest, type Rule } from './match.ts';
import type { Mutator } from './mutator.ts';
import { changeObject } from './patched.ts';
import { mutatingWebhooks, validatingWebhooks } from './resources.ts';
import { reviewRequest, shownObjects } from './review.ts';
import { type ClientConfig, WebhookClient } from './webhook-client.ts';

/** admissionregistration.k8s.io/v1 MutatingWebhook and ValidatingWebhook. */
interface Webhook {
  readonly name: string;
  readonly clientConfig: ClientConfig;
  readonly rules?: readonly Rule[];
  readonly failurePolicy?: string;
  readonly matchPolicy?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
  readonly matchConditions?: readonly MatchCondition[];
  readonly sideEffects?: string;
  readonly timeoutSeconds?: number;
  readonly reinvocationPolicy?: string;
}

interface Configuration extends KubeObject {
  readonly webhooks?: readonly Webhook[];
}

/** `response` of an AdmissionReview. */
interface Answer {
  readonly uid?: string;
  readonly allowed?: boolean;
  readonly status?: Status;
  readonly patch?: string;
  readonly patchType?: string;
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
}

const DEFAULT_SECONDS = 10;
/** What of a configuration was read once. */
const read = new WeakMap<CachedObject, readonly Webhook[]>();

/** Asks the webhooks that configurations name (MutatingAdmissionWebhook and ValidatingAdmissionWebhook). */
export class WebhookAdmission {
  readonly #cache: WatchCache;
  readonly #kinds: KindTable;
  readonly #client: WebhookClient;
  readonly #authorizer: Authorizer;

  constructor(cache: WatchCache, kinds: KindTable, authorizer: Authorizer) {
    this.#authorizer = authorizer;
    this.#cache = cache;
    this.#kinds = kinds;
    this.#client = new WebhookClient(cache);
  }

  stop(): void {
    this.#client.stop();
  }

  /** Those that mutate, by the names of their configurations. */
  mutators(request: AdmissionRequest): Mutator[] {
    return this.#webhooks(mutatingWebhooks).map((webhook) => ({
      reinvocationPolicy: webhook.reinvocationPolicy,
      run: () => this.#mutateBy(webhook, request),
    }));
  }

  /** All at once; the first refusal, in their order, is the answer. */
  async validate(request: AdmissionRequest): Promise<void> {
    const asked = this.#webhooks(validatingWebhooks).map((webhook) => this.#ask(webhook, request));
    for (const result of await Promise.allSettled(asked)) if (result.status === 'rejected') throw result.reason;
  }

  #webhooks(resource: { readonly group: string; readonly plural: string }): Webhook[] {
    return this.#cache.resource(resource).list().flatMap(webhooksOf);
  }

  async #mutateBy(webhook: Webhook, request: AdmissionRequest): Promise<boolean> {
    const asked = await this.#ask(webhook, request);
    if (!asked?.answer.patch || !request.object) return false;
    const { answer, shown } = asked;
    if (answer.patchType !== 'JSONPatch') {
      throw internalError(`admission webhook ${JSON.stringify(webhook.name)} returned a patch of no known type`);
    }
    try {
      const operations = JSON.parse(Buffer.from(answer.patch ?? '', 'base64').toString('utf8')) as Json;
      return await changeObject(request, shown, (given) => applyJsonPatch(given, operations) as KubeObject);
    } catch (error) {
      if (webhook.failurePolicy === 'Ignore') return false;
      throw internalError(`failed to apply the patch of webhook ${JSON.stringify(webhook.name)}: ${messageOf(error)}`);
    }
  }

  /** The answer of a webhook that the request concerns, where it allows it. */
  async #ask(webhook: Webhook, request: AdmissionRequest): Promise<{ answer: Answer; shown: Kind } | undefined> {
    const shown = matchRequest(this.#cache, this.#kinds, request, webhook);
    if (!shown || !(await holds(webhook, request, shown, this.#authorizer))) return undefined;
    if (request.dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') {
      throw badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
    }
    const answer = await this.#call(webhook, request, shown);
    if (!answer) return undefined;
    request.warnings?.push(...(answer.warnings ?? []));
    for (const [key, value] of Object.entries(answer.auditAnnotations ?? {}))
      request.annotations?.set(`${webhook.name}/${key}`, value);
    if (!answer.allowed) throw refusal(webhook.name, answer.status);
    return { answer, shown };
  }

  async #call(webhook: Webhook, request: AdmissionRequest, shown: Kind): Promise<Answer | undefined> {
    const uid = randomUUID();
    const body = {
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1',
      request: reviewRequest(request, shown, uid, await shownObjects(request, shown)),
    };
    try {
      const timeoutMs = (webhook.timeoutSeconds ?? DEFAULT_SECONDS) * 1000;
      const review = (await this.#client.post(webhook.clientConfig, body, timeoutMs)) as { response?: Answer };
      if (review?.response?.uid !== uid) throw new Error(`expected response.uid="${uid}", got another`);
      return review.response;
    } catch (error) {
      if (webhook.failurePolicy === 'Ignore') return undefined;
      throw internalError(`failed calling webhook ${JSON.stringify(webhook.name)}: ${messageOf(error)}`);
    }
  }
}

function webhooksOf(object: CachedObject): readonly Webhook[] {
  let webhooks = read.get(object);
  if (!webhooks) {
    webhooks = object.parse<Configuration>().webhooks ?? [];
    read.set(object, webhooks);
  }
  return webhooks;
}

/** Conditions that fail count as the failure policy says. */
async function holds(
  { name, matchConditions = [], failurePolicy }: Webhook,
  request: AdmissionRequest,
  shown: Kind,
  authorizer: Authorizer,
): Promise<boolean> {
  if (matchConditions.length === 0) return true;
  try {
    return conditionsHold(matchConditions, await variablesOf(request, shown, authorizer));
  } catch (error) {
    if (failurePolicy === 'Ignore') return false;
    throw internalError(`failed calling webhook ${JSON.stringify(name)}: ${messageOf(error)}`);
  }
}

function refusal(name: string, status: Status | undefined): StatusError {
  const start = `admission webhook ${JSON.stringify(name)} denied the request`;
  const why = status?.message || status?.reason;
  const code = status?.code && status.code >= 400 ? status.code : 403;
  const reason = status?.reason ?? (code === 403 ? 'Forbidden' : 'Invalid');
  return new StatusError(code, reason, why ? `${start}: ${why}` : `${start} without explanation`, status?.details);
}
