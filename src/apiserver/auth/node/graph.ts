import { referencesOf, secretsOfPersistentVolume } from '../../../api/pod-references.ts';
import { persistentVolumeClaims, persistentVolumes, pods } from '../../../api/resource.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttachment } from '../../../api/types.ts';
import { claimsOf } from '../../../api/volumes.ts';
import { type CachedObject, remembered } from '../../cache/object.ts';
import { objectKey, resourcePrefix, type WatchCache } from '../../cache/watch-cache.ts';

const resourceSlices = { group: 'resource.k8s.io', plural: 'resourceslices' };
const volumeAttachments = { group: 'storage.k8s.io', plural: 'volumeattachments' };

/** What a pod needs of its namespace. */
interface PodNeeds {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
  readonly resourceClaims: ReadonlySet<string>;
  readonly serviceAccount: string;
}

interface VolumeFacts {
  /** `namespace/name` of the claim that it is bound to. */
  readonly claim: string;
  readonly secrets: ReadonlySet<string>;
}

const nothing: ReadonlySet<string> = new Set();

const needsOf = remembered((object): PodNeeds => {
  const pod = object.parse<Pod>();
  // What a node tells of its own static pods gives it no right to anything.
  if (pod.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined) {
    return { secrets: nothing, configMaps: nothing, claims: nothing, resourceClaims: nothing, serviceAccount: '' };
  }
  const claims = new Set(claimsOf(pod).map(({ claim }) => claim));
  const resourceClaims = new Set(resourceClaimsOf(pod));
  return { ...referencesOf(pod), claims, resourceClaims, serviceAccount: pod.spec?.serviceAccountName ?? '' };
});

/** Claims to devices: those that the pod names, and those that were made for it. */
function resourceClaimsOf({ spec, status }: Pod): string[] {
  const made = [
    ...(status?.resourceClaimStatuses ?? []).map(({ resourceClaimName }) => resourceClaimName),
    status?.extendedResourceClaimStatus?.resourceClaimName,
  ];
  const named = (spec?.resourceClaims ?? []).map(({ resourceClaimName }) => resourceClaimName);
  return [...named, ...made].flatMap((name) => name || []);
}

const factsOfVolume = remembered((object): VolumeFacts => {
  const volume = object.parse<PersistentVolume>();
  const { namespace = '', name = '' } = volume.spec?.claimRef ?? {};
  return { claim: `${namespace}/${name}`, secrets: secretsOfPersistentVolume(volume) };
});

const volumeOfClaim = remembered((object) => object.parse<PersistentVolumeClaim>().spec?.volumeName ?? '');
const nodeOfAttachment = remembered((object) => object.parse<VolumeAttachment>().spec.nodeName);

/**
 * Which objects belong to a node, through the pods that are bound to it: what the pods name, the claims' volumes, and
 * the volumes' secrets. Pods are known by node from the first question on; all else is followed when it is asked for.
 */
export class NodeGraph {
  readonly #cache: WatchCache;
  #podsByNode: Map<string, Map<string, CachedObject>> | undefined;

  constructor(cache: WatchCache) {
    this.#cache = cache;
  }

  hasPod(node: string, namespace: string, name: string): boolean {
    return this.#pods(node).has(objectKey(pods, namespace, name));
  }

  hasConfigMap(node: string, namespace: string, name: string): boolean {
    return this.#someNeeds(node, namespace, ({ configMaps }) => configMaps.has(name));
  }

  hasServiceAccount(node: string, namespace: string, name: string): boolean {
    return name !== '' && this.#someNeeds(node, namespace, ({ serviceAccount }) => serviceAccount === name);
  }

  hasClaim(node: string, namespace: string, name: string): boolean {
    return this.#someNeeds(node, namespace, ({ claims }) => claims.has(name));
  }

  hasResourceClaim(node: string, namespace: string, name: string): boolean {
    return this.#someNeeds(node, namespace, ({ resourceClaims }) => resourceClaims.has(name));
  }

  hasResourceSlice(node: string, name: string): boolean {
    const found = this.#cache.resource(resourceSlices).get(objectKey(resourceSlices, '', name));
    return found?.field('spec.nodeName') === node;
  }

  hasVolume(node: string, name: string): boolean {
    const found = this.#cache.resource(persistentVolumes).get(objectKey(persistentVolumes, '', name));
    if (!found) return false;
    const [namespace = '', claim = ''] = factsOfVolume(found).claim.split('/');
    return claim !== '' && this.hasClaim(node, namespace, claim);
  }

  hasSecret(node: string, namespace: string, name: string): boolean {
    return (
      this.#someNeeds(node, namespace, ({ secrets }) => secrets.has(name)) ||
      this.#volumes(node).some(({ secrets }) => secrets.has(`${namespace}/${name}`))
    );
  }

  hasAttachment(node: string, name: string): boolean {
    const found = this.#cache.resource(volumeAttachments).get(objectKey(volumeAttachments, '', name));
    return found !== undefined && nodeOfAttachment(found) === node;
  }

  #someNeeds(node: string, namespace: string, test: (needs: PodNeeds) => boolean): boolean {
    const prefix = objectKey(pods, namespace, '');
    for (const [key, pod] of this.#pods(node)) if (key.startsWith(prefix) && test(needsOf(pod))) return true;
    return false;
  }

  /** The persistent volumes that the node's pods use. */
  #volumes(node: string): VolumeFacts[] {
    const found: VolumeFacts[] = [];
    for (const [key, pod] of this.#pods(node)) {
      for (const name of needsOf(pod).claims) {
        const namespace = key.slice(resourcePrefix(pods).length, key.lastIndexOf('/'));
        const facts = this.#volumeOf(namespace, name);
        if (facts) found.push(facts);
      }
    }
    return found;
  }

  #volumeOf(namespace: string, name: string): VolumeFacts | undefined {
    const key = objectKey(persistentVolumeClaims, namespace, name);
    const claim = this.#cache.resource(persistentVolumeClaims).get(key);
    const volume =
      claim && this.#cache.resource(persistentVolumes).get(objectKey(persistentVolumes, '', volumeOfClaim(claim)));
    const facts = volume && factsOfVolume(volume);
    return facts?.claim === `${namespace}/${name}` ? facts : undefined;
  }

  #pods(node: string): ReadonlyMap<string, CachedObject> {
    this.#podsByNode ??= this.#indexPods();
    return this.#podsByNode.get(node) ?? new Map();
  }

  #indexPods(): Map<string, Map<string, CachedObject>> {
    const index = new Map<string, Map<string, CachedObject>>();
    const put = (object: CachedObject) => {
      const node = object.field('spec.nodeName');
      if (!node) return;
      const known = index.get(node);
      if (known) known.set(object.key, object);
      else index.set(node, new Map([[object.key, object]]));
    };
    const take = (object: CachedObject) => {
      const node = object.field('spec.nodeName') ?? '';
      const known = index.get(node);
      if (known?.delete(object.key) && known.size === 0) index.delete(node);
    };
    const resource = this.#cache.resource(pods);
    for (const object of resource.list()) put(object);
    resource.subscribe(({ type, object, previous }) => {
      if (previous) take(previous);
      if (type !== 'DELETED') put(object);
    });
    return index;
  }
}
