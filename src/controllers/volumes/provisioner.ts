import { nodes, persistentVolumeClaims, persistentVolumes } from '../../api/resource.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../api/types.ts';
import { SELECTED_NODE } from '../../api/volumes.ts';
import { messageOf } from '../../base/errors.ts';
import { isAlreadyExists } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { ControllerContext } from '../context.ts';

/** Makes folders on nodes that are volumes. */
export const PROVISIONER = 'knit.dev/local-path';
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';
const HOSTNAME = 'kubernetes.io/hostname';

/** The folders of nodes. Both may be called again for what is done already. */
export interface LocalVolumes {
  /** Resolves to the folder's path on the node. */
  make(node: string, volume: string): Promise<string>;
  remove(node: string, volume: string): Promise<void>;
}

export interface Provisioner {
  /** Makes the claim's volume, on the node that the scheduler has chosen, or on any. */
  provision(claim: PersistentVolumeClaim, storageClass: StorageClass): Promise<void>;
  /** Removes what {@link provision} has made on the node, but for its object. */
  remove(volume: PersistentVolume): Promise<void>;
}

export const isOurs = (volume: PersistentVolume): boolean =>
  volume.metadata?.annotations?.[PROVISIONED_BY] === PROVISIONER;

export function createProvisioner(context: ControllerContext, events: EventRecorder): Provisioner {
  const { client, informers, localVolumes } = context;
  const allNodes = informers.informer(nodes);
  const allVolumes = informers.informer(persistentVolumes);

  /** That of the ready nodes which has fewest volumes. */
  const anyNode = (storageClass: StorageClass): Node | undefined => {
    const used = (node: Node) => allVolumes.list().filter((volume) => nodeOf(volume) === node.metadata?.name).length;
    return allNodes
      .list()
      .filter((node) => isUsable(node) && isAllowed(node, storageClass))
      .map((node) => ({ node, count: used(node) }))
      .sort((a, b) => a.count - b.count)[0]?.node;
  };

  /** A node that is gone can't be waited for: another one is chosen for the pod. */
  const unselect = async (claim: PersistentVolumeClaim): Promise<void> => {
    const { name = '', namespace } = claim.metadata ?? {};
    const annotations = { [SELECTED_NODE]: null };
    await client.patch(persistentVolumeClaims, { name, namespace }, 'merge', { metadata: { annotations } });
  };

  const make = async (claim: PersistentVolumeClaim, storageClass: StorageClass): Promise<void> => {
    if (!localVolumes) throw new Error(`nobody makes volumes of ${PROVISIONER} in this cluster`);
    if (claim.spec?.volumeMode === 'Block') throw new Error('volumes are folders: volumeMode Block is not supported');
    const selected = claim.metadata?.annotations?.[SELECTED_NODE];
    const node = selected ? allNodes.get(selected) : anyNode(storageClass);
    if (!node && selected) await unselect(claim);
    if (!node) throw new Error(selected ? `node "${selected}" not found` : 'no node is ready to have the volume');
    const path = await localVolumes.make(node.metadata?.name ?? '', volumeName(claim));
    const volume = volumeFor(claim, storageClass, node, path);
    await client.create(persistentVolumes, volume).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  };

  return {
    async provision(claim, storageClass) {
      if (allVolumes.get(volumeName(claim))) return;
      try {
        await make(claim, storageClass);
        const message = `Successfully provisioned volume ${volumeName(claim)}`;
        events.event(claim, 'Normal', 'ProvisioningSucceeded', message);
      } catch (error) {
        const what = `failed to provision volume with StorageClass "${storageClass.metadata?.name}"`;
        events.event(claim, 'Warning', 'ProvisioningFailed', `${what}: ${messageOf(error)}`);
        throw error;
      }
    },
    async remove(volume) {
      const node = nodeOf(volume);
      // What was on a node that is gone went with it.
      if (node && allNodes.get(node)) await localVolumes?.remove(node, volume.metadata?.name ?? '');
    },
  };
}

/** By this name a volume is never made twice. */
const volumeName = (claim: PersistentVolumeClaim): string => `pvc-${claim.metadata?.uid}`;

function volumeFor(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node,
  path: string,
): PersistentVolume {
  const { name, namespace, uid, resourceVersion } = claim.metadata ?? {};
  const hostname = node.metadata?.labels?.[HOSTNAME] ?? node.metadata?.name ?? '';
  return {
    metadata: { name: volumeName(claim), annotations: { [PROVISIONED_BY]: PROVISIONER } },
    spec: {
      accessModes: claim.spec?.accessModes,
      capacity: { storage: claim.spec?.resources?.requests?.storage ?? '0' },
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion },
      local: { path },
      mountOptions: storageClass.mountOptions,
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: HOSTNAME, operator: 'In', values: [hostname] }] }],
        },
      },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata?.name,
      volumeMode: claim.spec?.volumeMode,
      volumeAttributesClassName: claim.spec?.volumeAttributesClassName,
    },
  };
}

function nodeOf(volume: PersistentVolume): string | undefined {
  const terms = volume.spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  return terms[0]?.matchExpressions?.find(({ key }) => key === HOSTNAME)?.values?.[0];
}

const isUsable = (node: Node): boolean =>
  !node.spec?.unschedulable &&
  node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

function isAllowed(node: Node, { allowedTopologies }: StorageClass): boolean {
  if (!allowedTopologies?.length) return true;
  return allowedTopologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(node.metadata?.labels?.[key] ?? '')),
  );
}
