import type { Kind } from '../../api/kind.ts';
import { conditionOf } from '../../api/kinds/apiextensions/conditions.ts';
import { customResourceDefinitions } from '../../api/resource.ts';
import type { CustomResourceDefinition } from '../../api/types.ts';
import type { CachedObject } from '../cache/object.ts';
import type { Context } from '../context.ts';
import { StatusError } from '../errors.ts';
import { updateObject } from '../registry/write.ts';
import type { User } from '../request.ts';
import { removeInstances } from './cleanup.ts';
import type { Conversions } from './conversion.ts';
import { type NamedDefinition, settleNames } from './names.ts';

export interface CustomResources {
  stop(): void;
}

type MakeKinds = (crd: CustomResourceDefinition) => Kind[];

/** The kinds of one definition, and what of it they were made from. */
interface Registered {
  readonly kinds: readonly Kind[];
  readonly form: string;
}

const user: User = { name: 'system:apiserver', groups: ['system:masters'] };

/** Serves what CustomResourceDefinitions define, as long as they are there. */
export async function startCustomResources(context: Context): Promise<CustomResources> {
  const registrar = new Registrar(context);
  await registrar.start();
  return registrar;
}

const isEstablished = (crd: CustomResourceDefinition): boolean => conditionOf(crd, 'Established')?.status === 'True';

class Registrar implements CustomResources {
  readonly #context: Context;
  readonly #registered = new Map<string, Registered>();
  /** Definitions whose status is being brought up to date, and whether to look at it once more. */
  readonly #working = new Map<string, boolean>();
  /** Definitions without their schemas, which are long: each change of one asks for the names of all. */
  readonly #named = new WeakMap<CachedObject, NamedDefinition>();
  /** Loaded when the first definition comes. */
  #makeKinds: MakeKinds | undefined;
  #conversions: Conversions | undefined;
  #unsubscribe: () => void = () => undefined;
  readonly #stopped = new AbortController();

  constructor(context: Context) {
    this.#context = context;
  }

  async start(): Promise<void> {
    const definitions = this.#context.cache.resource(customResourceDefinitions);
    const present = definitions.list();
    if (present.length > 0) await this.#load();
    for (const object of present) this.#changed(object);
    this.#unsubscribe = definitions.subscribe(({ type, object }) => {
      if (type === 'DELETED') this.#gone(object);
      else this.#changed(object);
    });
  }

  stop(): void {
    this.#stopped.abort();
    this.#unsubscribe();
    this.#conversions?.stop();
  }

  async #load(): Promise<void> {
    if (this.#makeKinds) return;
    const [{ customKinds }, { Conversions }] = await Promise.all([
      import('../../api/custom-kind.ts'),
      import('./conversion.ts'),
    ]);
    this.#conversions ??= new Conversions(this.#context.cache);
    const conversions = this.#conversions;
    this.#makeKinds = (crd) => customKinds(crd, conversions.of(crd));
  }

  #changed(object: CachedObject): void {
    const crd = object.parse<CustomResourceDefinition>();
    if (isEstablished(crd)) this.#serve(crd);
    void this.#settle(crd.metadata?.name ?? '');
  }

  #gone(object: CachedObject): void {
    const crd = object.parse<CustomResourceDefinition>();
    const name = crd.metadata?.name ?? '';
    this.#context.kinds.replace(this.#registered.get(name)?.kinds ?? [], []);
    this.#registered.delete(name);
    this.#reconsider(crd);
  }

  /** Names that became free may be what another definition of the group waits for. */
  #reconsider(freed: CustomResourceDefinition): void {
    for (const { named: crd } of this.#all()) {
      if (crd.spec.group === freed.spec.group && crd.metadata?.name !== freed.metadata?.name) {
        void this.#settle(crd.metadata?.name ?? '');
      }
    }
  }

  #all(): { readonly object: CachedObject; readonly named: NamedDefinition }[] {
    const definitions = this.#context.cache.resource(customResourceDefinitions);
    return definitions.list().map((object) => ({ object, named: this.#nameOf(object) }));
  }

  #nameOf(object: CachedObject): NamedDefinition {
    const known = this.#named.get(object);
    if (known) return known;
    const { metadata, spec, status } = object.parse<CustomResourceDefinition>();
    const named = {
      metadata: { name: metadata?.name },
      spec: { group: spec.group },
      status: { acceptedNames: status?.acceptedNames },
    } as NamedDefinition;
    this.#named.set(object, named);
    return named;
  }

  /** Takes in the kinds of a definition, where they differ from what is served. */
  #serve(crd: CustomResourceDefinition): void {
    const name = crd.metadata?.name ?? '';
    const before = this.#registered.get(name);
    const form = JSON.stringify([crd.spec, crd.status?.acceptedNames, crd.metadata?.deletionTimestamp !== undefined]);
    if (before?.form === form || !this.#makeKinds) return;
    try {
      const kinds = this.#makeKinds(crd);
      this.#registered.set(name, { kinds, form });
      const labels = Object.assign({}, ...kinds.map((kind) => kind.fieldLabels));
      this.#context.cache.setReaders({ group: crd.spec.group, plural: crd.spec.names.plural }, labels);
      this.#context.kinds.replace(before?.kinds ?? [], kinds);
    } catch (error) {
      this.#context.log.error('a definition cannot be served', { crd: name, error });
    }
  }

  /** Brings the status up to date; a change that comes meanwhile is looked at afterwards. */
  async #settle(name: string): Promise<void> {
    const isWorking = this.#working.has(name);
    this.#working.set(name, isWorking);
    if (isWorking) return;
    try {
      await this.#load();
      do {
        this.#working.set(name, false);
        await this.#settleOnce(name);
      } while (this.#working.get(name) && !this.#stopped.signal.aborted);
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#context.log.warn('a definition is not settled', { crd: name, error });
    } finally {
      this.#working.delete(name);
    }
  }

  async #settleOnce(name: string): Promise<void> {
    const all = this.#all();
    const found = all.find(({ named }) => named.metadata?.name === name);
    const crd = found?.object.parse<CustomResourceDefinition>();
    if (!crd || this.#stopped.signal.aborted) return;
    if (crd.metadata?.deletionTimestamp) return removeInstances(this.#context, crd, user, this.#stopped.signal);
    const settled = settleNames(
      crd,
      all.map(({ named }) => named),
    );
    // What is called established is served already.
    if (isEstablished(settled ?? crd)) this.#serve(settled ?? crd);
    if (!settled) return;
    await this.#writeStatus(settled);
    this.#reconsider(settled);
  }

  async #writeStatus(crd: CustomResourceDefinition): Promise<void> {
    const kind = this.#context.kinds.find(customResourceDefinitions);
    if (!kind) return;
    const name = crd.metadata?.name ?? '';
    const target = { kind, namespace: '', name, subresource: 'status', user, dryRun: false };
    try {
      await updateObject(this.#context, target, () => structuredClone(crd), { retry: false });
    } catch (error) {
      // Deleted or changed meanwhile: that change is looked at next.
      if (!(error instanceof StatusError) || ![404, 409].includes(error.code)) throw error;
    }
  }
}
