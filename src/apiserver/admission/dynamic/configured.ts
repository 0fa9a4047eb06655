import type { Authorizer } from '../../auth/authorizer.ts';
import type { WatchCache } from '../../cache/watch-cache.ts';
import type { KindTable } from '../../kinds.ts';
import type { AdmissionRequest, DynamicAdmission } from '../chain.ts';
import type { MutatingPolicies } from './mutating-policies.ts';
import { runMutators } from './mutator.ts';
import { GROUP, mutatingPolicies, mutatingWebhooks, validatingPolicies, validatingWebhooks } from './resources.ts';
import type { ValidatingPolicies } from './validating-policies.ts';
import type { WebhookAdmission } from './webhooks.ts';

interface Named {
  readonly group: string;
  readonly plural: string;
}

/** What webhooks and policies have to say, which are loaded when the first of them is configured. */
export class ConfiguredAdmission implements DynamicAdmission {
  readonly #cache: WatchCache;
  readonly #kinds: KindTable;
  readonly #authorizer: Authorizer;
  #webhooks: WebhookAdmission | undefined;
  #validating: ValidatingPolicies | undefined;
  #mutating: MutatingPolicies | undefined;

  constructor(cache: WatchCache, kinds: KindTable, authorizer: Authorizer) {
    this.#authorizer = authorizer;
    this.#cache = cache;
    this.#kinds = kinds;
  }

  stop(): void {
    this.#webhooks?.stop();
  }

  mutate(request: AdmissionRequest): Promise<void> | undefined {
    if (isExempt(request)) return undefined;
    const asksPolicies = this.#hasPolicies(mutatingPolicies);
    const asksWebhooks = this.#has(mutatingWebhooks);
    return asksPolicies || asksWebhooks ? this.#mutate(request, asksPolicies, asksWebhooks) : undefined;
  }

  validate(request: AdmissionRequest): Promise<void> | undefined {
    if (isExempt(request)) return undefined;
    const asksPolicies = this.#hasPolicies(validatingPolicies);
    const asksWebhooks = this.#has(validatingWebhooks);
    return asksPolicies || asksWebhooks ? this.#validate(request, asksPolicies, asksWebhooks) : undefined;
  }

  /** Policies before webhooks, as in Kubernetes. */
  async #mutate(request: AdmissionRequest, asksPolicies: boolean, asksWebhooks: boolean): Promise<void> {
    await runMutators([
      ...(asksPolicies ? (await this.#loadMutating()).mutators(request) : []),
      ...(asksWebhooks ? (await this.#loadWebhooks()).mutators(request) : []),
    ]);
  }

  async #validate(request: AdmissionRequest, asksPolicies: boolean, asksWebhooks: boolean): Promise<void> {
    if (asksPolicies) await (await this.#loadValidating()).validate(request);
    if (asksWebhooks) await (await this.#loadWebhooks()).validate(request);
  }

  #has(resource: Named): boolean {
    return this.#cache.resource(resource).size > 0;
  }

  #hasPolicies({ policies, bindings }: { readonly policies: Named; readonly bindings: Named }): boolean {
    return this.#has(policies) && this.#has(bindings);
  }

  async #loadWebhooks(): Promise<WebhookAdmission> {
    const { WebhookAdmission: Webhooks } = await import('./webhooks.ts');
    this.#webhooks ??= new Webhooks(this.#cache, this.#kinds, this.#authorizer);
    return this.#webhooks;
  }

  async #loadValidating(): Promise<ValidatingPolicies> {
    const { ValidatingPolicies: Policies } = await import('./validating-policies.ts');
    this.#validating ??= new Policies(this.#cache, this.#kinds, this.#authorizer);
    return this.#validating;
  }

  async #loadMutating(): Promise<MutatingPolicies> {
    const { MutatingPolicies: Policies } = await import('./mutating-policies.ts');
    this.#mutating ??= new Policies(this.#cache, this.#kinds, this.#authorizer);
    return this.#mutating;
  }
}

/** Nobody may keep others from mending what they are asked by. */
const isExempt = ({ kind }: AdmissionRequest): boolean => kind.group === GROUP;
