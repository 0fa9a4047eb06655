import type { Container, PersistentVolume, Pod, PodSpec, Volume } from './types.ts';

/** Names of objects in the pod's namespace without which it cannot run. */
export interface PodReferences {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
}

/** Secrets and config maps that a pod's containers, volumes and image pulls name (VisitPodSecretNames and the like). */
export function referencesOf({ spec }: Pod): PodReferences {
  const secrets = new Set<string>();
  const configMaps = new Set<string>();
  for (const { name } of spec?.imagePullSecrets ?? []) add(secrets, name);
  for (const { envFrom = [], env = [] } of allContainers(spec)) {
    for (const { secretRef, configMapRef } of envFrom) {
      add(secrets, secretRef?.name);
      add(configMaps, configMapRef?.name);
    }
    for (const { valueFrom } of env) {
      add(secrets, valueFrom?.secretKeyRef?.name);
      add(configMaps, valueFrom?.configMapKeyRef?.name);
    }
  }
  for (const volume of spec?.volumes ?? []) {
    for (const name of secretsOfVolume(volume)) add(secrets, name);
    add(configMaps, volume.configMap?.name);
    for (const { secret, configMap } of volume.projected?.sources ?? []) {
      add(secrets, secret?.name);
      add(configMaps, configMap?.name);
    }
  }
  return { secrets, configMaps };
}

function add(names: Set<string>, name: string | undefined): void {
  if (name) names.add(name);
}

function allContainers(spec: PodSpec | undefined): readonly Pick<Container, 'env' | 'envFrom'>[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])];
}

const secretsOfVolume = (volume: Volume): (string | undefined)[] => [
  volume.secret?.secretName,
  volume.azureFile?.secretName,
  volume.cephfs?.secretRef?.name,
  volume.cinder?.secretRef?.name,
  volume.flexVolume?.secretRef?.name,
  volume.rbd?.secretRef?.name,
  volume.scaleIO?.secretRef?.name,
  volume.iscsi?.secretRef?.name,
  volume.storageos?.secretRef?.name,
  volume.csi?.nodePublishSecretRef?.name,
];

/** Volumes that need nothing of the API server. */
const plainVolumes: readonly (keyof Volume)[] = [
  'awsElasticBlockStore',
  'azureDisk',
  'cephfs',
  'cinder',
  'downwardAPI',
  'emptyDir',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'gitRepo',
  'hostPath',
  'image',
  'iscsi',
  'nfs',
  'photonPersistentDisk',
  'portworxVolume',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
];

const otherVolumes: readonly (readonly [keyof Volume, string])[] = [
  ['configMap', 'configmaps (via configmap volumes)'],
  ['secret', 'secrets (via secret volumes)'],
  ['csi', 'csidrivers (via CSI volumes)'],
  ['glusterfs', 'endpoints (via glusterFS volumes)'],
  ['persistentVolumeClaim', 'persistentvolumeclaims'],
  ['ephemeral', 'persistentvolumeclaims (via ephemeral volumes)'],
  ['azureFile', 'secrets (via azureFile volumes)'],
];

/** What of the API's objects the pod speaks of, in Kubernetes' words (HasAPIObjectReference): a static pod may not. */
export function objectReference(pod: Pod): string | undefined {
  const { spec } = pod;
  if (spec?.serviceAccountName) return 'serviceaccounts';
  const { secrets, configMaps } = referencesOf(pod);
  if (secrets.size > 0) return 'secrets';
  if (configMaps.size > 0) return 'configmaps';
  if (spec?.resourceClaims?.length) return 'resourceclaims';
  for (const volume of spec?.volumes ?? []) {
    const found = referenceOfVolume(volume);
    if (found) return found;
  }
  return undefined;
}

function referenceOfVolume(volume: Volume): string | undefined {
  if (plainVolumes.some((type) => volume[type] !== undefined)) return undefined;
  const other = otherVolumes.find(([type]) => volume[type] !== undefined);
  if (other) return other[1];
  for (const source of volume.projected?.sources ?? []) {
    if (source.serviceAccountToken) return 'serviceaccounts (via projected volumes)';
    if (source.clusterTrustBundle) return 'clustertrustbundles';
    if (source.podCertificate) return 'podcertificates';
  }
  return undefined;
}

/** `namespace/name` of the secrets that a node needs to mount the volume (VisitPVSecretNames, what kubelets see of it). */
export function secretsOfPersistentVolume({ spec }: PersistentVolume): ReadonlySet<string> {
  const names = new Set<string>();
  const own = spec?.claimRef?.namespace;
  const put = (namespace: string | undefined, name: string | undefined) => {
    if (namespace && name) names.add(`${namespace}/${name}`);
  };
  const { azureFile, cinder, storageos, csi } = spec ?? {};
  put(azureFile?.secretNamespace || own, azureFile?.secretName);
  for (const source of [spec?.cephfs, spec?.flexVolume, spec?.rbd, spec?.scaleIO, spec?.iscsi]) {
    put(source?.secretRef?.namespace || own, source?.secretRef?.name);
  }
  put(cinder?.secretRef?.namespace, cinder?.secretRef?.name);
  put(storageos?.secretRef?.namespace, storageos?.secretRef?.name);
  for (const secret of [csi?.nodePublishSecretRef, csi?.nodeStageSecretRef, csi?.nodeExpandSecretRef]) {
    put(secret?.namespace, secret?.name);
  }
  return names;
}
