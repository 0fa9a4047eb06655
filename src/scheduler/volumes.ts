import { persistentVolumeClaims, persistentVolumes, storageClasses } from '../api/resource.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../api/types.ts';
import {
  BOUND_BY_CONTROLLER,
  claimsOf,
  className,
  findVolume,
  isBound,
  isKeptFor,
  isReachable,
  NO_PROVISIONER,
  SELECTED_NODE,
  waitsForConsumer,
} from '../api/volumes.ts';
import { KnitError } from '../base/errors.ts';
import { keyOf } from '../client/cache.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { PodInfo } from './podinfo.ts';

/** As kube-scheduler's bindTimeoutSeconds. */
const BIND_TIMEOUT_MS = 600_000;

/** A volume in several has them separated by two underscores. */
const zoneLabels = [
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
];

/** What a node's volumes are asked for. */
export type VolumeAnswer = 'node conflict' | 'not found' | 'volume gone' | undefined;

/** What a pod's claims mean for where it can be. */
export interface PodVolumes {
  /** Why no node can take the pod, whatever its volumes. */
  readonly problem?: string;
  /** Why this node can't. */
  check(node: Node): VolumeAnswer;
  /** Whether the node is in the zones and regions that the volumes' labels name. */
  isInZone(node: Node): boolean;
}

/** Volumes that were chosen for a pod on its node, and are kept from others. */
export interface Reservation {
  /** Writes the choice and waits until the claims are bound. Throws where they will not be. */
  bind(signal: AbortSignal): Promise<void>;
  release(): void;
}

export interface Volumes {
  /** Resolves when claims and volumes are known: nothing is read of them before a pod has a claim. */
  prepare(): Promise<void>;
  readonly isReady: boolean;
  /** `undefined` for a pod without claims. */
  of(pod: PodInfo): PodVolumes | undefined;
  /** Whether the claim may have one pod only (ReadWriteOncePod). */
  isExclusive(namespace: string, claim: string): boolean;
  /** `undefined` where all claims are bound. */
  reserve(pod: PodInfo, node: Node): Reservation | undefined;
}

export const noVolumes: Volumes = {
  prepare: () => Promise.resolve(),
  isReady: true,
  of: () => undefined,
  isExclusive: () => false,
  reserve: () => undefined,
};

/** `onChange` is called when a claim, a volume or a class has changed. */
export function watchVolumes(client: Client, informers: InformerFactory, onChange: () => void): Volumes {
  let view: VolumeView | undefined;
  let ready: Promise<void> | undefined;
  const start = async (): Promise<void> => {
    const made = new VolumeView(client, informers, onChange);
    await informers.start();
    view = made;
  };
  return {
    prepare: () => (ready ??= start()),
    get isReady() {
      return view !== undefined;
    },
    of: (pod) => (claimsOf(pod.pod).length > 0 ? view?.of(pod) : undefined),
    isExclusive: (namespace, claim) => view?.isExclusive(`${namespace}/${claim}`) ?? false,
    reserve: (pod, node) => (claimsOf(pod.pod).length > 0 ? view?.reserve(pod, node) : undefined),
  };
}

class VolumeView {
  readonly #client: Client;
  readonly #claims;
  readonly #volumes;
  readonly #classes;
  /** Volumes that were chosen for a claim and do not say so yet, by name, with the claim's uid. */
  readonly #chosen = new Map<string, string>();
  readonly #waiters = new Set<() => void>();

  constructor(client: Client, informers: InformerFactory, onChange: () => void) {
    this.#client = client;
    this.#claims = informers.informer(persistentVolumeClaims);
    this.#volumes = informers.informer(persistentVolumes);
    this.#classes = informers.informer(storageClasses);
    const changed = (): void => {
      for (const waiter of this.#waiters) waiter();
      onChange();
    };
    this.#claims.onChange(changed);
    this.#volumes.onChange(changed);
    this.#classes.onChange(changed);
  }

  of(pod: PodInfo): PodVolumes {
    const claims = claimsOf(pod.pod).map((use) => ({ use, claim: this.#claims.get(`${pod.namespace}/${use.claim}`) }));
    for (const { use, claim } of claims) {
      const problem = this.#problemOf(pod, use.claim, use.ephemeral, claim);
      if (problem) return { problem, check: () => undefined, isInZone: () => true };
    }
    const known = claims.flatMap(({ claim }) => claim ?? []);
    return {
      check: (node) => this.#check(known, node),
      isInZone: (node) => known.filter(isBound).every((claim) => this.#isInZone(claim, node)),
    };
  }

  isExclusive(key: string): boolean {
    return this.#claims.get(key)?.spec?.accessModes?.includes('ReadWriteOncePod') === true;
  }

  #problemOf(pod: PodInfo, name: string, ephemeral: boolean, claim: PersistentVolumeClaim | undefined) {
    if (!claim && ephemeral)
      return `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`;
    if (!claim) return `persistentvolumeclaim "${name}" not found`;
    if (claim.status?.phase === 'Lost') {
      return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`;
    }
    if (claim.metadata?.deletionTimestamp) return `persistentvolumeclaim "${name}" is being deleted`;
    if (ephemeral && !claim.metadata?.ownerReferences?.some(({ uid }) => uid === pod.uid)) {
      return `PVC ${pod.namespace}/${name} was not created for pod ${pod.namespace}/${pod.name} (pod is not owner)`;
    }
    const waits = waitsForConsumer(this.#classes.get(className(claim) ?? ''));
    return isBound(claim) || waits ? undefined : 'pod has unbound immediate PersistentVolumeClaims';
  }

  #check(claims: readonly PersistentVolumeClaim[], node: Node): VolumeAnswer {
    for (const claim of claims.filter(isBound)) {
      const volume = this.#volumes.get(claim.spec?.volumeName ?? '');
      if (!volume) return 'volume gone';
      if (!isReachable(volume, node)) return 'node conflict';
    }
    const taken = new Set<string>();
    for (const claim of claims.filter((each) => !isBound(each))) {
      const volume = this.#find(claim, node, taken);
      if (volume) taken.add(keyOf(volume));
      else if (!this.#canProvision(claim, node)) return 'not found';
    }
    return undefined;
  }

  /** A node that tells no zone and no region is in all of them. */
  #isInZone(claim: PersistentVolumeClaim, node: Node): boolean {
    const labels = node.metadata?.labels ?? {};
    if (!zoneLabels.some((label) => label in labels)) return true;
    const volume = this.#volumes.get(claim.spec?.volumeName ?? '')?.metadata?.labels ?? {};
    return zoneLabels.every((label) => volume[label]?.split('__').includes(labels[label] ?? '') ?? true);
  }

  /** A volume that is there already and could be the claim's on this node. */
  #find(claim: PersistentVolumeClaim, node: Node, taken: ReadonlySet<string>): PersistentVolume | undefined {
    const isFree = (volume: PersistentVolume) => {
      const chosen = this.#chosen.get(keyOf(volume));
      return !taken.has(keyOf(volume)) && (chosen === undefined || chosen === claim.metadata?.uid);
    };
    const candidates = this.#volumes.list().filter((volume) => isFree(volume) && isReachable(volume, node));
    return findVolume(claim, candidates);
  }

  #canProvision(claim: PersistentVolumeClaim, node: Node): boolean {
    const storageClass = this.#classes.get(className(claim) ?? '');
    if (!storageClass || storageClass.provisioner === NO_PROVISIONER) return false;
    const selected = claim.metadata?.annotations?.[SELECTED_NODE];
    if (selected && selected !== node.metadata?.name) return false;
    const { allowedTopologies } = storageClass;
    if (!allowedTopologies?.length) return true;
    return allowedTopologies.some(({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.every(({ key, values }) => values.includes(node.metadata?.labels?.[key] ?? '')),
    );
  }

  reserve(pod: PodInfo, node: Node): Reservation | undefined {
    const open = claimsOf(pod.pod)
      .flatMap(({ claim }) => this.#claims.get(`${pod.namespace}/${claim}`) ?? [])
      .filter((claim) => !isBound(claim));
    if (open.length === 0) return undefined;
    const taken = new Set<string>();
    const choices = open.map((claim) => {
      const volume = this.#find(claim, node, taken);
      if (volume) taken.add(keyOf(volume));
      return { claim, volume };
    });
    for (const { claim, volume } of choices) if (volume) this.#chosen.set(keyOf(volume), claim.metadata?.uid ?? '');
    return {
      bind: async (signal) => {
        const nodeName = node.metadata?.name ?? '';
        for (const { claim, volume } of choices) await this.#choose(claim, volume, nodeName);
        await this.#untilBound(open, signal);
        for (const { claim } of choices) this.#assertReachable(claim, node);
      },
      release: () => {
        for (const name of taken) this.#chosen.delete(name);
      },
    };
  }

  /** The volume is kept for the claim, or one is asked for on the node; the volume controller does the rest. */
  async #choose(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined, node: string): Promise<void> {
    const { name = '', namespace, uid, resourceVersion } = claim.metadata ?? {};
    if (!volume) {
      const annotations = { [SELECTED_NODE]: node };
      const patch = { metadata: { uid, annotations } };
      await this.#client.patch(persistentVolumeClaims, { name, namespace }, 'merge', patch);
      return;
    }
    if (isKeptFor(volume, claim)) return;
    await this.#client.update(persistentVolumes, {
      ...volume,
      metadata: { ...volume.metadata, annotations: { ...volume.metadata?.annotations, [BOUND_BY_CONTROLLER]: 'yes' } },
      spec: {
        ...volume.spec,
        claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion },
      },
    });
  }

  async #untilBound(claims: readonly PersistentVolumeClaim[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const deadline = setTimeout(
      () => reject(new KnitError('VOLUME_TIMEOUT', 'binding volumes: context deadline exceeded')),
      BIND_TIMEOUT_MS,
    ).unref();
    const abort = () => reject(signal.reason);
    const look = (): void => {
      const present = claims.map((claim) => this.#claims.get(keyOf(claim)));
      const gone = present.findIndex((claim, index) => claim?.metadata?.uid !== claims[index]?.metadata?.uid);
      if (gone >= 0) {
        const name = claims[gone]?.metadata?.name;
        reject(new KnitError('CLAIM_GONE', `binding volumes: persistentvolumeclaim "${name}" not found`));
      } else if (present.every((claim) => claim && isBound(claim))) resolve();
    };
    this.#waiters.add(look);
    signal.addEventListener('abort', abort, { once: true });
    look();
    try {
      await promise;
    } finally {
      clearTimeout(deadline);
      this.#waiters.delete(look);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Whoever has made the volume may have made it elsewhere. */
  #assertReachable(claim: PersistentVolumeClaim, node: Node): void {
    const bound = this.#claims.get(keyOf(claim));
    const volume = this.#volumes.get(bound?.spec?.volumeName ?? '');
    if (!volume || isReachable(volume, node)) return;
    const message = `binding volumes: volume "${keyOf(volume)}" is not on node "${node.metadata?.name}"`;
    throw new KnitError('VOLUME_ELSEWHERE', message);
  }
}
