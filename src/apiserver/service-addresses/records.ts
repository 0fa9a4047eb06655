import { ipAddresses } from '../../api/resource.ts';
import type { IPAddress, KubeObject, Service } from '../../api/types.ts';
import type { Write } from '../../store/store.ts';
import type { CachedObject } from '../cache/object.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import { addressesOf } from './book.ts';
import { recordKey, recordOf, serviceOf } from './record.ts';

/**
 * What is written of IPAddresses together with a Service: one for each address that it gets, and none any more for each
 * that it gives back. `next` is `undefined` where the Service goes, `old` where it is new.
 */
export function recordsAlong(
  cache: WatchCache,
  next: KubeObject | undefined,
  old: CachedObject | undefined,
): readonly Write[] {
  const service: Service = next ?? old?.parse<Service>() ?? {};
  const wanted = addressesOf((next as Service | undefined)?.spec);
  const had = old ? addressesOf(old.parse<Service>().spec) : [];
  const { namespace = '', name = '' } = service.metadata ?? {};
  return [
    ...wanted
      .filter((address) => !had.includes(address))
      .map((address) => ({ key: recordKey(address), value: recordOf(address, { namespace, name }), expected: 0 })),
    ...had
      .filter((address) => !wanted.includes(address))
      .flatMap((address) => removal(cache, address, namespace, name)),
  ];
}

/** Not of an IPAddress that names somebody else, nor of one that somebody keeps by a finalizer. */
function removal(cache: WatchCache, address: string, namespace: string, name: string): Write[] {
  const record = cache.resource(ipAddresses).get(recordKey(address));
  const parsed = record?.parse<IPAddress>();
  if (!record || !parsed || serviceOf(parsed) !== `${namespace}/${name}`) return [];
  return parsed.metadata?.finalizers?.length ? [] : [{ key: record.key, value: undefined, expected: record.revision }];
}
