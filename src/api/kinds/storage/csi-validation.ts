import type { FieldError } from '../../kind.ts';
import type { CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment } from '../../types.ts';
import { validateAccessModes } from '../core/claim-spec.ts';
import { validateDriverName, validateSources } from '../core/volume-sources.ts';
import { all, duplicate, each, forbidden, invalid, oneOf, required, ruled } from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsSubdomain, qualifiedName } from '../names.ts';
import { validateAmount } from '../podspec/resources.ts';

type DriverSpec = NonNullable<CSIDriver['spec']>;
type NodeDriver = NonNullable<CSINode['spec']>['drivers'][number];
type AttachmentSource = NonNullable<VolumeAttachment['spec']>['source'];
type InlineVolume = NonNullable<AttachmentSource['inlineVolumeSpec']>;

const lifecycles = ['Persistent', 'Ephemeral'];
const policies = ['File', 'None', 'ReadWriteOnceWithFSType'];
const minTokenSeconds = 600;
const maxTokenSeconds = 2 ** 32;
const minUpdateSeconds = 10;
const maxNodeIdBytes = 256;

export function validateDriverSpec(spec: DriverSpec): FieldError[] {
  const { fsGroupPolicy, nodeAllocatableUpdatePeriodSeconds: period, tokenRequests = [] } = spec;
  return all(
    fsGroupPolicy !== undefined && oneOf('spec.fsGroupPolicy', fsGroupPolicy, policies),
    each(tokenRequests, 'spec.tokenRequests', ({ audience, expirationSeconds }, field, i) => {
      if (tokenRequests.findIndex((other) => other.audience === audience) < i) {
        return [duplicate(`${field}.audience`, audience)];
      }
      return validateTokenSeconds(expirationSeconds, `${field}.expirationSeconds`);
    }),
    (spec.volumeLifecycleModes ?? []).flatMap((mode) => oneOf('spec.volumeLifecycleModes', mode, lifecycles)),
    period !== undefined &&
      period < minUpdateSeconds && [
        invalid('spec.nodeAllocatableUpdatePeriodSeconds', period, 'must be greater than or equal to 10 seconds'),
      ],
    spec.serviceAccountTokenInSecrets !== undefined &&
      tokenRequests.length === 0 && [
        invalid(
          'spec.serviceAccountTokenInSecrets',
          spec.serviceAccountTokenInSecrets,
          'serviceAccountTokenInSecrets is set but no tokenRequests are specified',
        ),
      ],
  );
}

function validateTokenSeconds(seconds: number | undefined, field: string): FieldError[] {
  if (seconds === undefined) return [];
  return all(
    seconds < minTokenSeconds && [invalid(field, seconds, 'may not specify a duration less than 10 minutes')],
    seconds > maxTokenSeconds && [invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds')],
  );
}

export function validateNodeDrivers(drivers: readonly NodeDriver[]): FieldError[] {
  return each(drivers, 'spec.drivers', (driver, field, i) => {
    const { name = '', nodeID = '', allocatable, topologyKeys = [] } = driver;
    const count = allocatable?.count;
    const again = drivers.findIndex((other) => (other.name ?? '') === name) < i;
    return all(
      validateDriverName(name, `${field}.name`),
      nodeID === '' && [required(`${field}.nodeID`)],
      Buffer.byteLength(nodeID) > maxNodeIdBytes && [
        invalid(`${field}.nodeID`, nodeID, `must be ${maxNodeIdBytes} characters or less`),
      ],
      count !== undefined &&
        count < 0 && [invalid(`${field}.allocatable.count`, count, 'must be greater than or equal to 0')],
      again && [duplicate(`${field}.name`, name)],
      topologyKeys.flatMap((key, j) =>
        all(
          key === '' && [required(field)],
          topologyKeys.indexOf(key) < j && [duplicate(field, key)],
          ruled(field, key, qualifiedName),
        ),
      ),
    );
  });
}

export function validateCapacity({ nodeTopology, storageClassName, capacity }: CSIStorageCapacity): FieldError[] {
  return all(
    validateLabelSelector(nodeTopology, 'nodeTopology'),
    ruled('storageClassName', storageClassName ?? '', dnsSubdomain),
    capacity !== undefined && validateAmount(capacity, 'capacity'),
  );
}

export function validateAttachment({ spec }: VolumeAttachment): FieldError[] {
  const name = spec?.source?.persistentVolumeName;
  return all(
    validateDriverName(spec?.attacher ?? '', 'spec.attacher'),
    validateAttachmentSource(spec?.source, 'spec.source'),
    ruled('spec.nodeName', spec?.nodeName ?? '', dnsSubdomain),
    name !== undefined && ruled('spec.source.persistentVolumeName', name, dnsSubdomain),
  );
}

function validateAttachmentSource(source: AttachmentSource | undefined, field: string): FieldError[] {
  const { persistentVolumeName: name, inlineVolumeSpec: inline } = source ?? {};
  const detail = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (name !== undefined && inline) return [forbidden(field, detail)];
  if (inline) return validateInlineVolume(inline, `${field}.inlineVolumeSpec`);
  if (name === undefined) return [required(field, detail)];
  return name === '' ? [required(`${field}.persistentVolumeName`, 'must specify non empty persistentVolumeName')] : [];
}

/** A volume that a pod has written down whole: a driver's, and nothing about its claim. */
function validateInlineVolume(spec: InlineVolume, field: string): FieldError[] {
  const { capacity = {}, claimRef, csi, persistentVolumeReclaimPolicy: policy } = spec;
  const notInline = 'may not be specified in the context of inline volumes';
  return all(
    claimRef && [forbidden(`${field}.claimRef`, notInline)],
    Object.keys(capacity).length > 0 && [forbidden(`${field}.capacity`, notInline)],
    !csi && [required(`${field}.csi`, 'has to be specified in the context of inline volumes')],
    validateAccessModes(spec.accessModes, `${field}.accessModes`, ''),
    policy &&
      policy !== 'Retain' && [
        forbidden(`${field}.persistentVolumeReclaimPolicy`, 'may only be Retain in the context of inline volumes'),
      ],
    validateSources(spec, '', field),
  );
}
