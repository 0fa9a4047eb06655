import type { Authorizer } from '../../auth/authorizer.ts';
import type { ResourceCache } from '../../cache/resource-cache.ts';
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

/** Every write asks whether there are some. */
interface PoliciesAndBindings {
  readonly policies: ResourceCache;
  readonly bindings: ResourceCache;
}

const cachesOf = (cache: WatchCache, names: { readonly policies: Named; readonly bindings: Named }) => ({
  policies: cache.resource(names.policies),
  bindings: cache.resource(names.bindings),
});

const areThere = ({ policies, bindings }: PoliciesAndBindings): boolean => policies.size > 0 && bindings.size > 0;

/** What webhooks and policies have to say, which are loaded when the first of them is configured. */
export class ConfiguredAdmission implements DynamicAdmission {
  readonly #cache: WatchCache;
  readonly #kinds: KindTable;
  readonly #authorizer: Authorizer;
  readonly #mutatingWebhooks: ResourceCache;
  readonly #validatingWebhooks: ResourceCache;
  readonly #mutatingPolicies: PoliciesAndBindings;
  readonly #validatingPolicies: PoliciesAndBindings;
  #webhooks: WebhookAdmission | undefined;
  #validating: ValidatingPolicies | undefined;
  #mutating: MutatingPolicies | undefined;

  constructor(cache: WatchCache, kinds: KindTable, authorizer: Authorizer) {
    this.#authorizer = authorizer;
    this.#cache = cache;
    this.#kinds = kinds;
    this.#mutatingWebhooks = cache.resource(mutatingWebhooks);
    this.#validatingWebhooks = cache.resource(validatingWebhooks);
    this.#mutatingPolicies = cachesOf(cache, mutatingPolicies);
    this.#validatingPolicies = cachesOf(cache, validatingPolicies);
  }

  stop(): void {
    this.#webhooks?.stop();
  }

  mutate(request: AdmissionRequest): Promise<void> | undefined {
    if (isExempt(request)) return undefined;
    const asksPolicies = areThere(this.#mutatingPolicies);
    const asksWebhooks = this.#mutatingWebhooks.size > 0;
    return asksPolicies || asksWebhooks ? this.#mutate(request, asksPolicies, asksWebhooks) : undefined;
  }

  validate(request: AdmissionRequest): Promise<void> | undefined {
    if (isExempt(request)) return undefined;
    const asksPolicies = areThere(this.#validatingPolicies);
    const asksWebhooks = this.#validatingWebhooks.size > 0;
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
