import { randomUUID } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { ipAddresses } from '../../api/resource.ts';
import type { IPAddress } from '../../api/types.ts';
import { encodeObject } from '../cache/object.ts';
import { objectKey } from '../cache/watch-cache.ts';
import { now } from '../registry/write.ts';

/** https://kubernetes.io/docs/reference/labels-annotations-taints/#ipaddress-kubernetes-io-managed-by */
const MANAGED_BY = 'ipaddress.kubernetes.io/managed-by';
const FAMILY = 'ipaddress.kubernetes.io/ip-family';
const ALLOCATOR = 'ipallocator.k8s.io';

export const recordKey = (address: string): string => objectKey(ipAddresses, '', address);

/** The text of the IPAddress that gives an address to a Service. */
export function recordOf(address: string, { namespace, name }: { namespace: string; name: string }): string {
  const labels = { [FAMILY]: isIPv6(address) ? 'IPv6' : 'IPv4', [MANAGED_BY]: ALLOCATOR };
  const record: IPAddress = {
    kind: 'IPAddress',
    apiVersion: 'networking.k8s.io/v1',
    metadata: { name: address, uid: randomUUID(), creationTimestamp: now(), labels },
    spec: { parentRef: { resource: 'services', namespace, name } },
  };
  return encodeObject(record);
}

/** Whether an IPAddress was made for a Service by an API server. */
export function isManaged({ metadata }: IPAddress): boolean {
  return metadata?.labels?.[MANAGED_BY] === ALLOCATOR;
}

/** Key of the Service that an IPAddress names: `default/web`; `undefined` where it is for something else. */
export function serviceOf({ spec }: IPAddress): string | undefined {
  const parent = spec?.parentRef;
  return parent && !parent.group && parent.resource === 'services' ? `${parent.namespace}/${parent.name}` : undefined;
}
