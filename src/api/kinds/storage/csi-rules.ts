import type { FieldError } from '../../kind.ts';
import type { CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment } from '../../types.ts';
import { validateAccessModes } from '../core/claim-spec.ts';
import { validateDriverName, validateSources } from '../core/volume-sources.ts';
import {
  all,
  duplicate,
  each,
  forbidden,
  invalid,
  notSupported,
  required,
  ruled,
  tooLong,
  unchanged,
} from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsSubdomain, qualifiedName } from '../names.ts';
import { validateAmount } from '../podspec/resources.ts';

const minTokenSeconds = 600;
const maxTokenSeconds = 2 ** 32;
const minPeriodSeconds = 10;
const maxNodeIdBytes = 256;
const maxMetadataBytes = 256 * 1024;
const maxInt32 = 2147483647;
const modes = ['Persistent', 'Ephemeral'];
const groupPolicies = ['File', 'None', 'ReadWriteOnceWithFSType'];

/** What is known of a driver by its name. */
export function validateDriver({ spec }: CSIDriver, old: CSIDriver | undefined): FieldError[] {
  const { fsGroupPolicy, tokenRequests = [], nodeAllocatableUpdatePeriodSeconds: period } = spec ?? {};
  const unused = 'serviceAccountTokenInSecrets is set but no tokenRequests are specified';
  return all(
    fsGroupPolicy !== undefined &&
      !groupPolicies.includes(fsGroupPolicy) && [notSupported('spec.fsGroupPolicy', fsGroupPolicy, groupPolicies)],
    each(tokenRequests, 'spec.tokenRequests', ({ audience, expirationSeconds: seconds }, at, i) => {
      if (tokenRequests.findIndex((one) => one.audience === audience) < i) {
        return [duplicate(`${at}.audience`, audience)];
      }
      if (seconds === undefined) return [];
      const field = `${at}.expirationSeconds`;
      return all(
        seconds < minTokenSeconds && [invalid(field, seconds, 'may not specify a duration less than 10 minutes')],
        seconds > maxTokenSeconds && [invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds')],
      );
    }),
    (spec?.volumeLifecycleModes ?? [])
      .filter((mode) => !modes.includes(mode))
      .map((mode) => notSupported('spec.volumeLifecycleModes', mode, modes)),
    period !== undefined &&
      period < minPeriodSeconds && [
        invalid(
          'spec.nodeAllocatableUpdatePeriodSeconds',
          period,
          `must be greater than or equal to ${minPeriodSeconds} seconds`,
        ),
      ],
    spec?.serviceAccountTokenInSecrets !== undefined &&
      tokenRequests.length === 0 && [
        invalid('spec.serviceAccountTokenInSecrets', spec.serviceAccountTokenInSecrets, unused),
      ],
    // Kubernetes, too, names it so.
    old && unchanged('spec.attachedRequired', spec?.attachRequired, old.spec?.attachRequired),
    old && unchanged('spec.volumeLifecycleModes', spec?.volumeLifecycleModes, old.spec?.volumeLifecycleModes),
  );
}

type NodeDriver = NonNullable<NonNullable<CSINode['spec']>['drivers']>[number];

/** The drivers of a node. Of one that is there, only how much it can attach changes. */
export function validateNodeDrivers({ spec }: CSINode, old: CSINode | undefined): FieldError[] {
  const drivers = spec?.drivers ?? [];
  return all(
    each(drivers, 'spec.drivers', (driver, at, i) => validateNodeDriver(driver, drivers.slice(0, i), at)),
    (old?.spec?.drivers ?? []).flatMap((before) =>
      drivers
        .filter(({ name }) => name === before.name)
        .flatMap((now) =>
          unchanged('spec.drivers', { ...now, allocatable: undefined }, { ...before, allocatable: undefined }),
        ),
    ),
  );
}

function validateNodeDriver(driver: NodeDriver, before: readonly NodeDriver[], field: string): FieldError[] {
  const { name = '', nodeID = '', topologyKeys = [], allocatable } = driver;
  const { count = 0 } = allocatable ?? {};
  return all(
    validateDriverName(name, `${field}.name`),
    nodeID === '' && [required(`${field}.nodeID`)],
    Buffer.byteLength(nodeID) > maxNodeIdBytes && [
      invalid(`${field}.nodeID`, nodeID, `must be ${maxNodeIdBytes} characters or less`),
    ],
    count < 0 && [invalid(`${field}.allocatable.count`, count, 'must be greater than or equal to 0')],
    before.some((other) => other.name === name) && [duplicate(`${field}.name`, name)],
    topologyKeys.flatMap((key, i) =>
      all(
        key === '' && [required(field)],
        topologyKeys.indexOf(key) < i && [duplicate(field, key)],
        ruled(field, key, qualifiedName),
      ),
    ),
  );
}

export function validateStorageCapacity(one: CSIStorageCapacity, old: CSIStorageCapacity | undefined): FieldError[] {
  const { storageClassName = '', nodeTopology, capacity } = one;
  return all(
    old && unchanged('nodeTopology', nodeTopology, old.nodeTopology),
    old && unchanged('storageClassName', storageClassName, old.storageClassName),
    validateLabelSelector(nodeTopology, 'nodeTopology'),
    ruled('storageClassName', storageClassName, dnsSubdomain),
    capacity !== undefined && validateAmount(capacity, 'capacity'),
  );
}

/** Who should attach what to which node, and what came of it. */
export function validateAttachment(
  { spec, status }: VolumeAttachment,
  old: VolumeAttachment | undefined,
  subresource = '',
): FieldError[] {
  const { attachmentMetadata = {}, attachError, detachError } = status ?? {};
  const size = Object.entries(attachmentMetadata).flat().join('');
  const ofStatus = all(
    Buffer.byteLength(size) > maxMetadataBytes && [tooLong('status.attachmentMetadata', maxMetadataBytes)],
    validateProblem(attachError?.errorCode, 'status.attachError.errorCode'),
    validateProblem(detachError?.errorCode, 'status.detachError.errorCode'),
  );
  if (subresource === 'status') return ofStatus;
  return all(
    validateDriverName(spec?.attacher ?? '', 'spec.attacher'),
    validateSource(spec?.source ?? {}, 'spec.source'),
    ruled('spec.nodeName', spec?.nodeName ?? '', dnsSubdomain),
    ofStatus,
    old && unchanged('spec', spec, old.spec),
  );
}

const validateProblem = (code: number | undefined, field: string): FieldError[] =>
  code !== undefined && code < 0 ? [invalid(field, code, `must be between 0 and ${maxInt32}, inclusive`)] : [];

type Source = NonNullable<VolumeAttachment['spec']>['source'];
type InlineVolume = NonNullable<Source['inlineVolumeSpec']>;

function validateSource({ inlineVolumeSpec: inline, persistentVolumeName: name }: Source, field: string): FieldError[] {
  const detail = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (!inline && name === undefined) return [required(field, detail)];
  if (inline && name !== undefined) return [forbidden(field, detail)];
  if (inline) return validateInlineVolume(inline, `${field}.inlineVolumeSpec`);
  if (name === undefined) return [];
  return all(
    name === '' && [required(`${field}.persistentVolumeName`, 'must specify non empty persistentVolumeName')],
    ruled(`${field}.persistentVolumeName`, name, dnsSubdomain),
  );
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
