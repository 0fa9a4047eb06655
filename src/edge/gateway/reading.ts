import { configMaps, type Resource, secrets } from '../../api/resource.ts';
import type { ConfigMap, KubeObject, Namespace, Secret, Service } from '../../api/types.ts';
import { keyOf, splitKey } from '../../client/cache.ts';
import { ApiError } from '../../client/client.ts';
import {
  backendTLSPolicies,
  gatewayClasses,
  gatewayGroup,
  gateways,
  grpcRoutes,
  httpRoutes,
  type Listener,
  listenerSets,
  type ObjectReference,
  referenceGrants,
  tlsRoutes,
} from './objects.ts';
import type { GatewayKinds, GatewayObjects } from './plan.ts';

/** Where objects are read from. */
export interface GatewaySource {
  /** `undefined` where there is none. */
  get<T extends KubeObject>(resource: Resource<T>, namespace: string | undefined, name: string): Promise<T | undefined>;
  list<T extends KubeObject>(resource: Resource<T>): Promise<readonly T[]>;
  /** What an API server answers at a path, as text. */
  raw(path: string): Promise<string>;
}

/** A cluster's Gateways, as they were read, with the Secrets and ConfigMaps that they refer to. */
export interface ReadGateways extends GatewayKinds {
  readonly secrets: readonly Secret[];
  readonly configMaps: readonly ConfigMap[];
  /** `Secret namespace/name` of what may not be read. */
  readonly unreadable: ReadonlySet<string>;
}

/** Names of the Gateway API's kinds that are defined. */
export async function knownKinds(raw: GatewaySource['raw']): Promise<ReadonlySet<string>> {
  const lists = await Promise.all(['v1', 'v1beta1'].map((version) => raw(`/apis/${gatewayGroup}/${version}`))).catch(
    () => [],
  );
  const resources = lists.flatMap((text) => (JSON.parse(text) as { resources: { kind: string }[] }).resources);
  return new Set(resources.map(({ kind }) => kind));
}

/** Undefined where the API server does not know Gateways. Throws {@link ApiError} 403 where they may not be read. */
export async function readGateways(source: GatewaySource): Promise<ReadGateways | undefined> {
  const known = await knownKinds((path) => source.raw(path));
  if (!known.has(gateways.kind)) return undefined;
  const list = async <T extends KubeObject>(resource: Resource<T>): Promise<readonly T[]> =>
    known.has(resource.kind) ? await source.list(resource) : [];
  const kinds: GatewayKinds = {
    classes: await list(gatewayClasses),
    gateways: await list(gateways),
    listenerSets: await list(listenerSets),
    httpRoutes: await list(httpRoutes),
    grpcRoutes: await list(grpcRoutes),
    tlsRoutes: await list(tlsRoutes),
    tlsPolicies: await list(backendTLSPolicies),
    grants: await list(referenceGrants),
  };
  const wanted = references(kinds);
  const unreadable = new Set<string>();
  const get = async <T extends KubeObject>(resource: Resource<T>, key: string): Promise<T[]> => {
    const { namespace, name } = splitKey(key);
    try {
      const found = await source.get(resource, namespace, name);
      return found ? [found] : [];
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 403)) throw error;
      unreadable.add(`${resource.kind} ${key}`);
      return [];
    }
  };
  const [foundSecrets, foundMaps] = await Promise.all([
    Promise.all([...wanted.secrets].map((key) => get(secrets, key))),
    Promise.all([...wanted.configMaps].map((key) => get(configMaps, key))),
  ]);
  return { ...kinds, secrets: foundSecrets.flat(), configMaps: foundMaps.flat(), unreadable };
}

/** `namespace/name` of the Secrets and ConfigMaps that certificates are taken from. */
function references(kinds: GatewayKinds): { secrets: Set<string>; configMaps: Set<string> } {
  const found = { secrets: new Set<string>(), configMaps: new Set<string>() };
  const add = (refs: readonly ObjectReference[], from: KubeObject, usual: 'Secret' | 'ConfigMap') => {
    for (const { kind = usual, name, namespace = from.metadata?.namespace } of refs) {
      if (kind === usual) found[usual === 'Secret' ? 'secrets' : 'configMaps'].add(`${namespace}/${name}`);
    }
  };
  const ofListeners = (listeners: readonly Listener[]) => listeners.flatMap(({ tls }) => tls?.certificateRefs ?? []);
  for (const gateway of kinds.gateways) {
    const { frontend, backend } = gateway.spec.tls ?? {};
    const validations = [frontend?.default, ...(frontend?.perPort ?? []).map(({ tls }) => tls)];
    const shown = backend?.clientCertificateRef;
    add([...ofListeners(gateway.spec.listeners), ...(shown ? [shown] : [])], gateway, 'Secret');
    add(
      validations.flatMap((each) => each?.validation?.caCertificateRefs ?? []),
      gateway,
      'ConfigMap',
    );
  }
  for (const set of kinds.listenerSets) add(ofListeners(set.spec.listeners), set, 'Secret');
  for (const policy of kinds.tlsPolicies) add(policy.spec.validation.caCertificateRefs ?? [], policy, 'ConfigMap');
  return found;
}

/** What was read, as plans are made of it. */
export function gatewayObjects(
  { secrets: allSecrets, configMaps: allMaps, ...kinds }: ReadGateways,
  services: readonly Service[],
  namespaces: readonly Namespace[],
): GatewayObjects {
  const lookUp = <T extends KubeObject>(objects: readonly T[]): ((key: string) => T | undefined) => {
    const byKey = new Map(objects.map((each) => [keyOf(each), each]));
    return (key) => byKey.get(key);
  };
  return {
    ...kinds,
    gateways: kinds.gateways.filter(({ metadata }) => !metadata?.deletionTimestamp),
    configMap: lookUp(allMaps),
    namespace: lookUp(namespaces),
    service: lookUp(services),
    secret: lookUp(allSecrets),
  };
}
