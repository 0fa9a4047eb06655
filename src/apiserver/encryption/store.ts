import { KnitError, messageOf } from '../../base/errors.ts';
import type { Entry, Store, StoreEvent } from '../../store/store.ts';
import { REGISTRY } from '../cache/watch-cache.ts';
import type { ProvidersOf } from './configuration.ts';
import { identity, type Provider } from './providers.ts';

const plain: readonly Provider[] = [identity];

/** A store whose values lie encrypted in another one, by the providers of their resource. */
export function encryptedStore(store: Store, providersOf: ProvidersOf): Store {
  /** Keys whose values were read under another provider than they would be written with. */
  const stale = new Set<string>();
  const chosen = new Map<string, readonly Provider[]>();

  const providers = (key: string): readonly Provider[] => {
    const [group = '', plural = ''] = key.slice(REGISTRY.length).split('/', 2);
    const resource = `${group}/${plural}`;
    let found = chosen.get(resource);
    if (!found) {
      found = providersOf(group === 'core' ? '' : group, plural) ?? plain;
      chosen.set(resource, found);
    }
    return found;
  };

  const encrypt = (key: string, value: string): string => {
    const [first = identity] = providers(key);
    return first.prefix + first.encrypt(value, key);
  };

  const decrypt = (entry: Entry): Entry => {
    const all = providers(entry.key);
    const from = all.find(({ prefix }) =>
      prefix === '' ? !entry.value.startsWith('k8s:enc:') : entry.value.startsWith(prefix),
    );
    if (!from) throw unreadable(entry.key, 'no provider has its key');
    if (from === all[0]) stale.delete(entry.key);
    else stale.add(entry.key);
    if (from === identity) return entry;
    try {
      return { ...entry, value: from.decrypt(entry.value.slice(from.prefix.length), entry.key) };
    } catch (error) {
      throw unreadable(entry.key, messageOf(error));
    }
  };

  const shown = (event: StoreEvent): StoreEvent => {
    if (event.type === 'delete') {
      const previous = decrypt(event.previous);
      stale.delete(event.key);
      return { ...event, previous };
    }
    const previous = event.previous && decrypt(event.previous);
    return { ...event, previous, entry: decrypt(event.entry) };
  };

  return {
    get revision() {
      return store.revision;
    },
    async get(key, options) {
      const entry = await store.get(key, options);
      return entry && decrypt(entry);
    },
    async list(prefix, options) {
      const page = await store.list(prefix, options);
      return { ...page, entries: page.entries.map(decrypt) };
    },
    async put(key, value, expected) {
      const entry = await store.put(key, encrypt(key, value), expected);
      return { ...entry, value };
    },
    delete: (key, expected) => store.delete(key, expected),
    write: (writes) =>
      store.write(
        writes.map((write) => ({
          ...write,
          value: write.value === undefined ? undefined : encrypt(write.key, write.value),
        })),
      ),
    watch: (prefix, after, listener) => store.watch(prefix, after, (events) => listener(events.map(shown))),
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
    isStale: (key) => stale.has(key),
  };
}

function unreadable(key: string, why: string): KnitError {
  const hint = 'keep old keys in the EncryptionConfiguration until everything is written anew under the first one';
  return new KnitError('ENCRYPTION_KEY_MISSING', `${key} cannot be decrypted: ${why}`, hint);
}
