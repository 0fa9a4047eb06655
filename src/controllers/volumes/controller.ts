import { persistentVolumeClaims, persistentVolumes, pods, storageClasses } from '../../api/resource.ts';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../api/types.ts';
import {
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  claimsOf,
  className,
  defaultClass,
  findVolume,
  isBound,
  isKeptFor,
  NO_PROVISIONER,
  SELECTED_NODE,
  satisfies,
  waitsForConsumer,
} from '../../api/volumes.ts';
import { messageOf } from '../../base/errors.ts';
import type { Running } from '../../base/running.ts';
import { keyOf } from '../../client/cache.ts';
import { isNotFound } from '../../client/client.ts';
import type { ControllerContext } from '../context.ts';
import { hasEnded } from '../pods.ts';
import { writeStatus } from '../status.ts';
import { bind, unbind } from './binding.ts';
import { createExpansion } from './expansion.ts';
import { createProvisioner, isOurs, PROVISIONED_BY, PROVISIONER } from './provisioner.ts';

const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner';

/** Gives claims their volumes, makes those that are made on demand, and does with released ones what their policy says. */
export function startVolumeController(context: ControllerContext): Running {
  const { client, informers, run } = context;
  const allClaims = informers.informer(persistentVolumeClaims);
  const allVolumes = informers.informer(persistentVolumes);
  const classes = informers.informer(storageClasses);
  const allPods = informers.informer(pods);
  const events = context.events('persistentvolume-controller');
  const provisioner = createProvisioner(context, events);
  const expansion = createExpansion(client, events);
  const synced = [allClaims, allVolumes, classes, allPods];

  const claimQueue = run({
    name: 'persistentvolume-controller/claims',
    informers: synced,
    async sync(key) {
      const claim = allClaims.get(key);
      if (!claim) return;
      if (claim.metadata?.annotations?.[BIND_COMPLETED]) await syncBound(claim);
      else if (claim.spec?.volumeName) await syncNamed(claim, claim.spec.volumeName);
      else await syncUnbound(claim);
    },
  });

  const syncUnbound = async (claim: PersistentVolumeClaim): Promise<void> => {
    if (claim.metadata?.deletionTimestamp) return;
    if (className(claim) === undefined && (await assignDefault(claim))) return;
    const storageClass = classes.get(className(claim) ?? '');
    const waits = waitsForConsumer(storageClass) && !claim.metadata?.annotations?.[SELECTED_NODE];
    const candidates = allVolumes.list().filter((volume) => !waits || isKeptFor(volume, claim));
    const volume = findVolume(claim, candidates);
    if (volume) return bind(client, claim, volume);
    await writeStatus(client, persistentVolumeClaims, claim, { ...claim.status, phase: 'Pending' });
    if (waits) return tellWaiting(claim);
    if (storageClass) return provision(claim, storageClass);
    if (!className(claim)) {
      const message = 'no persistent volumes available for this claim and no storage class is set';
      events.event(claim, 'Normal', 'FailedBinding', message);
      return;
    }
    const message = `storageclass.storage.k8s.io "${className(claim)}" not found`;
    events.event(claim, 'Warning', 'ProvisioningFailed', message);
  };

  const assignDefault = async (claim: PersistentVolumeClaim): Promise<boolean> => {
    const found = defaultClass(classes.list())?.metadata?.name;
    if (!found) return false;
    await client.update(persistentVolumeClaims, { ...claim, spec: { ...claim.spec, storageClassName: found } });
    return true;
  };

  const tellWaiting = (claim: PersistentVolumeClaim): void => {
    const consumer = allPods
      .list(claim.metadata?.namespace ?? '')
      .find((pod) => !pod.spec?.nodeName && claimsOf(pod).some((use) => use.claim === claim.metadata?.name));
    if (consumer) {
      const message = `waiting for pod ${consumer.metadata?.name} to be scheduled`;
      events.event(claim, 'Normal', 'WaitForPodScheduled', message);
    } else {
      const message = 'waiting for first consumer to be created before binding';
      events.event(claim, 'Normal', 'WaitForFirstConsumer', message);
    }
  };

  const provision = async (claim: PersistentVolumeClaim, storageClass: StorageClass): Promise<void> => {
    const { provisioner: name } = storageClass;
    if (name === PROVISIONER) return provisioner.provision(claim, storageClass);
    if (name === NO_PROVISIONER) {
      const message = 'no persistent volumes available for this claim and its class makes none';
      events.event(claim, 'Normal', 'FailedBinding', message);
      return;
    }
    // Of a provisioner that runs elsewhere: by this it knows what is asked of it.
    if (claim.metadata?.annotations?.[STORAGE_PROVISIONER] !== name) {
      const annotations = { ...claim.metadata?.annotations, [STORAGE_PROVISIONER]: name };
      await client.update(persistentVolumeClaims, { ...claim, metadata: { ...claim.metadata, annotations } });
    }
    const message = `Waiting for a volume to be created either by the external provisioner '${name}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
    events.event(claim, 'Normal', 'ExternalProvisioning', message);
  };

  /** A claim whose author has named its volume. */
  const syncNamed = async (claim: PersistentVolumeClaim, name: string): Promise<void> => {
    const volume = allVolumes.get(name);
    const pending = () => writeStatus(client, persistentVolumeClaims, claim, { ...claim.status, phase: 'Pending' });
    if (!volume) {
      await pending();
      return;
    }
    const free = !volume.spec?.claimRef;
    if (!free && !isKeptFor(volume, claim)) {
      events.event(claim, 'Warning', 'FailedBinding', `volume "${name}" already bound to a different claim.`);
      await pending();
    } else if (free && !satisfies(volume, claim)) {
      const message = `Cannot bind to requested volume "${name}": requested PV does not fit the claim`;
      events.event(claim, 'Warning', 'VolumeMismatch', message);
      await pending();
    } else await bind(client, claim, volume);
  };

  const syncBound = async (claim: PersistentVolumeClaim): Promise<void> => {
    const volume = allVolumes.get(claim.spec?.volumeName ?? '');
    if (volume && (!volume.spec?.claimRef || isKeptFor(volume, claim))) {
      return bind(client, claim, await expansion.expand(claim, volume));
    }
    const [reason, message] = volume
      ? ['ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly']
      : ['ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!'];
    if (claim.status?.phase === 'Lost') return;
    events.event(claim, 'Warning', reason ?? '', message ?? '');
    await writeStatus(client, persistentVolumeClaims, claim, { ...claim.status, phase: 'Lost' });
  };

  const volumeQueue = run({
    name: 'persistentvolume-controller/volumes',
    informers: synced,
    async sync(name) {
      const volume = allVolumes.get(name);
      if (!volume) return;
      const { claimRef } = volume.spec ?? {};
      // Without a uid it is kept for a claim that may come.
      if (!claimRef?.uid) return setPhase(volume, 'Available');
      const claim = await claimOf(volume);
      if (!claim) return release(volume);
      const { volumeName } = claim.spec ?? {};
      if (volumeName === name) return setPhase(volume, 'Bound');
      if (!volumeName) return claimQueue.enqueue(keyOf(claim));
      // The claim took another one.
      if (isOurs(volume)) return release(volume);
      if (volume.metadata?.annotations?.[BOUND_BY_CONTROLLER]) await unbind(client, volume);
    },
  });

  const claimOf = async (volume: PersistentVolume): Promise<PersistentVolumeClaim | undefined> => {
    const { name = '', namespace, uid } = volume.spec?.claimRef ?? {};
    const known = allClaims.get(`${namespace}/${name}`);
    if (known?.metadata?.uid === uid) return known;
    try {
      // The copy may be old, and what is done next may end data.
      const live = await client.get(persistentVolumeClaims, { name, namespace });
      return live.metadata?.uid === uid ? live : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };

  const setPhase = async (volume: PersistentVolume, phase: string, message?: string): Promise<void> => {
    await writeStatus(client, persistentVolumes, volume, {
      ...volume.status,
      phase,
      message,
      lastPhaseTransitionTime:
        volume.status?.phase === phase ? volume.status.lastPhaseTransitionTime : new Date().toISOString(),
    });
  };

  const release = async (volume: PersistentVolume): Promise<void> => {
    const { phase } = volume.status ?? {};
    if (phase !== 'Released' && phase !== 'Failed') return setPhase(volume, 'Released');
    const policy = volume.spec?.persistentVolumeReclaimPolicy;
    if (policy === 'Delete' && isOurs(volume)) return remove(volume);
    const isForeign = volume.metadata?.annotations?.[PROVISIONED_BY] !== undefined;
    if (policy === 'Retain' || isForeign || phase === 'Failed') return;
    const reason = policy === 'Delete' ? 'VolumeFailedDelete' : 'VolumeFailedRecycle';
    const message =
      policy === 'Delete'
        ? `error getting deleter volume plugin for volume "${volume.metadata?.name}": no deletable volume plugin matched`
        : 'No recycler plugin found for the volume!';
    events.event(volume, 'Warning', reason, message);
    await setPhase(volume, 'Failed', message);
  };

  const remove = async (volume: PersistentVolume): Promise<void> => {
    const { name = '', uid } = volume.metadata ?? {};
    try {
      await provisioner.remove(volume);
      await client.delete(persistentVolumes, { name }, { preconditions: { uid } });
    } catch (error) {
      if (isNotFound(error)) return;
      events.event(volume, 'Warning', 'VolumeFailedDelete', messageOf(error));
      throw error;
    }
  };

  /** Claims that a change elsewhere may help. */
  const enqueuePending = (test: (claim: PersistentVolumeClaim) => boolean = () => true): void => {
    for (const claim of allClaims.list()) if (!isBound(claim) && test(claim)) claimQueue.enqueue(keyOf(claim));
  };

  allClaims.onChange((claim, old) => {
    const changed = claim ?? old;
    if (!changed) return;
    claimQueue.enqueue(keyOf(changed));
    const name = changed.spec?.volumeName;
    if (name) volumeQueue.enqueue(name);
    if (claim) return;
    for (const volume of allVolumes.list()) if (isKeptFor(volume, changed)) volumeQueue.enqueue(keyOf(volume));
  });
  allVolumes.onChange((volume, old) => {
    const changed = volume ?? old;
    if (!changed) return;
    volumeQueue.enqueue(keyOf(changed));
    const { claimRef } = changed.spec ?? {};
    if (claimRef) claimQueue.enqueue(`${claimRef.namespace}/${claimRef.name}`);
    else enqueuePending((claim) => satisfies(changed, claim));
  });
  classes.onChange((storageClass) => {
    if (storageClass) enqueuePending((claim) => [undefined, storageClass.metadata?.name].includes(className(claim)));
  });
  allPods.onChange((pod, old) => {
    if (!pod || old || hasEnded(pod)) return;
    for (const { claim } of claimsOf(pod)) {
      const key = `${pod.metadata?.namespace}/${claim}`;
      const found = allClaims.get(key);
      if (found && !isBound(found)) claimQueue.enqueue(key);
    }
  });

  return {
    async stop() {
      await Promise.all([claimQueue.stop(), volumeQueue.stop()]);
    },
  };
}
