import type { FieldError } from '../../kind.ts';
import type { PersistentVolume } from '../../types.ts';
import { all, forbidden, invalid, named, required, tooLong } from '../errors.ts';
import { dnsLabel, dnsSubdomain } from '../names.ts';
import { validateHostPath } from '../podspec/volumes.ts';

type Spec = NonNullable<PersistentVolume['spec']>;

/** Fields of a PersistentVolume's specification that are no source. */
const notSources = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
]);

/** The part of a specification that says where the volume is. */
export function sourceOf(spec: Spec): Partial<Spec> {
  return Object.fromEntries(Object.entries(spec).filter(([key, value]) => value && !notSources.has(key)));
}

/** In the order in which they are looked at: of several, only the first is. */
const order = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
];

/** One source, and what it must hold. Those that no driver here serves are taken as they come. */
export function validateSources(spec: Spec, name: string, field: string): FieldError[] {
  const given = Object.keys(sourceOf(spec)).sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const [first, ...others] = given;
  if (first === undefined) return [required(field, 'must specify a volume type')];
  return all(
    validators[first]?.(spec, `${field}.${first}`, name),
    others.map((key) => forbidden(`${field}.${key}`, 'may not specify more than 1 volume type')),
  );
}

const validators: Readonly<Record<string, (spec: Spec, field: string, name: string) => FieldError[]>> = {
  hostPath: ({ hostPath }, field) => validateHostPath(hostPath, field),
  csi: ({ csi }, field) => (csi ? validateCsi(csi, field) : []),
  fc: ({ fc }, field) => (fc ? validateFibreChannel(fc, field) : []),
  iscsi: ({ iscsi }, field, name) => (iscsi ? validateIscsi(iscsi, field, name) : []),
  nfs({ nfs }, field) {
    const { server, path = '' } = nfs ?? {};
    return all(
      !server && [required(`${field}.server`)],
      !path && [required(`${field}.path`)],
      !path.startsWith('/') && [invalid(`${field}.path`, path, 'must be an absolute path')],
    );
  },
  local({ local, nodeAffinity }, field) {
    const path = local?.path ?? '';
    const upwards = path.split('/').includes('..');
    return all(
      !path && [required(`${field}.path`)],
      upwards && [invalid(`${field}.path`, path, "must not contain '..'")],
      !nodeAffinity && [required('spec.nodeAffinity', 'Local volume requires node affinity')],
    );
  },
};

const maxDriverBytes = 63;
const secrets = [
  'controllerPublishSecretRef',
  'controllerExpandSecretRef',
  'nodePublishSecretRef',
  'nodeExpandSecretRef',
] as const;

function validateCsi(csi: NonNullable<Spec['csi']>, field: string): FieldError[] {
  const { driver = '', volumeHandle } = csi;
  return all(
    validateDriverName(driver, `${field}.driver`),
    !volumeHandle && [required(`${field}.volumeHandle`)],
    secrets.flatMap((key) => {
      const secret = csi[key];
      if (!secret) return [];
      return [
        ...named(`${field}.${key}.name`, secret.name, dnsSubdomain),
        ...named(`${field}.${key}.namespace`, secret.namespace, dnsLabel),
      ];
    }),
  );
}

/** Of CSI drivers; it may have capitals, as the first ones had. */
export function validateDriverName(driver: string, field: string): FieldError[] {
  if (driver === '') return [required(field)];
  const wrong = dnsSubdomain(driver.toLowerCase());
  return all(
    Buffer.byteLength(driver) > maxDriverBytes && [tooLong(field, maxDriverBytes)],
    wrong && [invalid(field, driver, wrong)],
  );
}

function validateLun(lun: number, field: string): FieldError[] {
  return lun >= 0 && lun <= 255 ? [] : [invalid(field, lun, 'must be between 0 and 255, inclusive')];
}

function validateFibreChannel(fc: NonNullable<Spec['fc']>, field: string): FieldError[] {
  const { targetWWNs: targets = [], wwids = [], lun } = fc;
  const at = `${field}.targetWWNs`;
  if (targets.length === 0 && wwids.length === 0) {
    return [required(at, 'must specify either targetWWNs or wwids, but not both')];
  }
  const both = 'targetWWNs and wwids can not be specified simultaneously';
  return all(
    targets.length > 0 && wwids.length > 0 && [invalid(at, targets, both)],
    targets.length > 0 &&
      (lun === undefined
        ? [required(`${field}.lun`, 'lun is required if targetWWNs is specified')]
        : validateLun(lun, `${field}.lun`)),
  );
}

/** Names of initiators and targets: of a domain's owner, or numbers that makers gave (RFC 3720 §3.2.6). */
const iscsiName = /^(?:iqn\.\d{4}-\d{2}\.[a-zA-Z0-9.-]+:[^,;*&$|\s]+|eui\.[a-zA-Z0-9]{16}|naa\.[a-zA-Z0-9]{32})$/;
const maxPortalBytes = 64;

function validateIscsi(iscsi: NonNullable<Spec['iscsi']>, field: string, name: string): FieldError[] {
  const { targetPortal = '', iqn = '', lun = 0, initiatorName, secretRef } = iscsi;
  const isSecret = iscsi.chapAuthDiscovery || iscsi.chapAuthSession;
  const isLong = Buffer.byteLength(`${name}:${targetPortal}`) > maxPortalBytes;
  const long =
    'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
  return all(
    targetPortal === '' && [required(`${field}.targetPortal`)],
    iqn === ''
      ? [required(`${field}.iqn`)]
      : !iscsiName.test(iqn) && [invalid(`${field}.iqn`, iqn, 'must be valid format')],
    validateLun(lun, `${field}.lun`),
    isSecret && !secretRef && [required(`${field}.secretRef`)],
    secretRef && !secretRef.name && [required(`${field}.secretRef.name`)],
    initiatorName !== undefined &&
      !iscsiName.test(initiatorName) && [invalid(`${field}.initiatorname`, initiatorName, 'must be valid format')],
    initiatorName !== undefined && isLong && [invalid(`${field}.targetportal`, targetPortal, long)],
  );
}
