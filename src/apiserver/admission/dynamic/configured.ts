import type { WatchCache } from '../../cache/watch-cache.ts';
import type { KindTable } from '../../kinds.ts';
import type { AdmissionRequest, DynamicAdmission } from '../chain.ts';
import type { PolicyAdmission } from './policies.ts';
import { bindings, GROUP, mutatingWebhooks, policies, validatingWebhooks } from './resources.ts';
import type { WebhookAdmission } from './webhooks.ts';

/** What webhooks and policies have to say, which are loaded when the first of them is configured. */
export class ConfiguredAdmission implements DynamicAdmission {
  readonly #cache: WatchCache;
  readonly #kinds: KindTable;
  #webhooks: WebhookAdmission | undefined;
  #policies: PolicyAdmission | undefined;

  constructor(cache: WatchCache, kinds: KindTable) {
    this.#cache = cache;
    this.#kinds = kinds;
  }

  stop(): void {
    this.#webhooks?.stop();
  }

  mutate(request: AdmissionRequest): Promise<void> | undefined {
    if (isExempt(request) || !this.#has(mutatingWebhooks)) return undefined;
    return this.#loadWebhooks().then((webhooks) => webhooks.mutate(request));
  }

  validate(request: AdmissionRequest): Promise<void> | undefined {
    if (isExempt(request)) return undefined;
    const asksPolicies = this.#has(policies) && this.#has(bindings);
    const asksWebhooks = this.#has(validatingWebhooks);
    return asksPolicies || asksWebhooks ? this.#validate(request, asksPolicies, asksWebhooks) : undefined;
  }

  async #validate(request: AdmissionRequest, asksPolicies: boolean, asksWebhooks: boolean): Promise<void> {
    if (asksPolicies) await (await this.#loadPolicies()).validate(request);
    if (asksWebhooks) await (await this.#loadWebhooks()).validate(request);
  }

  #has(resource: { readonly group: string; readonly plural: string }): boolean {
    return this.#cache.resource(resource).size > 0;
  }

  async #loadWebhooks(): Promise<WebhookAdmission> {
    const { WebhookAdmission: Webhooks } = await import('./webhooks.ts');
    this.#webhooks ??= new Webhooks(this.#cache, this.#kinds);
    return this.#webhooks;
  }

  async #loadPolicies(): Promise<PolicyAdmission> {
    const { PolicyAdmission: Policies } = await import('./policies.ts');
    this.#policies ??= new Policies(this.#cache, this.#kinds);
    return this.#policies;
  }
}

/** Nobody may keep others from mending what they are asked by. */
const isExempt = ({ kind }: AdmissionRequest): boolean => kind.group === GROUP;
