import type { FieldError } from '../../kind.ts';
import type { ObjectMeta, Volume } from '../../types.ts';
import { validateClaimSpec } from '../core/claim-spec.ts';
import {
  all,
  duplicate,
  each,
  forbidden,
  givenFields,
  invalid,
  named,
  oneOf,
  required,
  ruledIfGiven,
  tooLong,
} from '../errors.ts';
import { validateAnnotations, validateLabels } from '../metadata.ts';
import { dnsLabel, dnsSubdomain, faults } from '../names.ts';
import { fileFields, validateFieldRef, validateResourceRef } from './env.ts';
import { validateFilePath, validateLocalPath, validateNoBacksteps } from './paths.ts';
import { amountOf } from './resources.ts';

type Projection = NonNullable<NonNullable<Volume['projected']>['sources']>[number];
type KeyToPath = { key: string; path: string; mode?: number };
type DownwardItem = NonNullable<NonNullable<Volume['downwardAPI']>['items']>[number];

interface ValidatedVolumes {
  readonly errors: readonly FieldError[];
  /** Those that nothing is wrong with, by name: containers can mount no others. */
  readonly sound: ReadonlyMap<string, Volume>;
}

/** `pod`: the metadata of the pod whose volumes they are; a template's have none. */
export function validateVolumes(volumes: readonly Volume[], field: string, pod?: ObjectMeta): ValidatedVolumes {
  const sound = new Map<string, Volume>();
  const errors = each(volumes, field, (volume, at) => {
    const again = sound.has(volume.name);
    const wrong = all(
      named(`${at}.name`, volume.name, dnsLabel),
      again && [duplicate(`${at}.name`, volume.name)],
      validateSource(volume, at, pod),
      volume.ephemeral && validateClaimName(volume.name, pod, `${at}.name`),
    );
    if (wrong.length === 0) sound.set(volume.name, volume);
    return all(wrong, pod?.name && validateNoOwnClaim(volume, volumes, pod.name, at));
  });
  return { errors, sound };
}

/** A claim that is made for an ephemeral volume is named after its pod and the volume. */
function validateClaimName(volume: string | undefined, pod: ObjectMeta | undefined, field: string): FieldError[] {
  if (!pod?.name || !volume) return [];
  const claim = `${pod.name}-${volume}`;
  return faults(dnsSubdomain, claim).map((wrong) =>
    invalid(field, volume, `PVC name ${JSON.stringify(claim)}: ${wrong}`),
  );
}

function validateNoOwnClaim(volume: Volume, all: readonly Volume[], pod: string, field: string): FieldError[] {
  const claim = volume.persistentVolumeClaim?.claimName;
  if (!claim || !all.some(({ name, ephemeral }) => ephemeral && `${pod}-${name}` === claim)) return [];
  const detail = 'must not reference a PVC that gets created for an ephemeral volume';
  return [invalid(`${field}.persistentVolumeClaim.claimName`, claim, detail)];
}

/** A token is one of the service account's, so there must be one. */
export function validateTokens(volumes: readonly Volume[] | undefined, field: string): FieldError[] {
  return each(volumes, field, ({ projected }, at) =>
    each(projected?.sources, `${at}.projected.sources`, ({ serviceAccountToken }, source) =>
      serviceAccountToken
        ? [forbidden(`${source}.serviceAccountToken`, 'must not be specified when serviceAccountName is not set')]
        : [],
    ),
  );
}

function validateSource(volume: Volume, field: string, pod: ObjectMeta | undefined): FieldError[] {
  const given = givenFields(volume).filter((key) => key !== 'name');
  if (given.length === 0) return [required(field, 'must specify a volume type')];
  if (given.length === 1) return validateOnlySource(volume, field, pod);
  // The first is looked at, in the order in which Kubernetes looks.
  const [first = '', ...more] = given.sort((a, b) => sources.indexOf(a) - sources.indexOf(b));
  return all(
    validateOnlySource({ name: volume.name, [first]: volume[first as keyof Volume] }, field, pod),
    more.map((key) => forbidden(`${field}.${key}`, 'may not specify more than 1 volume type')),
  );
}

const sources = [
  ...['emptyDir', 'hostPath', 'gitRepo', 'gcePersistentDisk', 'awsElasticBlockStore', 'secret', 'nfs', 'iscsi'],
  ...['glusterfs', 'flocker', 'persistentVolumeClaim', 'rbd', 'cinder', 'cephfs', 'quobyte', 'downwardAPI', 'fc'],
  ...['flexVolume', 'configMap', 'azureFile', 'vsphereVolume', 'photonPersistentDisk', 'portworxVolume', 'azureDisk'],
  ...['storageos', 'projected', 'scaleIO', 'csi', 'ephemeral', 'image'],
];

function validateOnlySource(volume: Volume, field: string, pod: ObjectMeta | undefined): FieldError[] {
  const { emptyDir, hostPath, secret, configMap, downwardAPI, projected, persistentVolumeClaim } = volume;
  const { csi, ephemeral, gitRepo, image, nfs } = volume;
  return all(
    emptyDir?.sizeLimit !== undefined && validateSizeLimit(emptyDir.sizeLimit, `${field}.emptyDir.sizeLimit`),
    hostPath && validateHostPath(hostPath, `${field}.hostPath`),
    secret && validateSecret(secret, `${field}.secret`),
    configMap && validateConfigMap(configMap, `${field}.configMap`),
    downwardAPI && validateDownward(downwardAPI, `${field}.downwardAPI`),
    projected && validateProjected(projected, `${field}.projected`),
    gitRepo && !gitRepo.repository && [required(`${field}.gitRepo.repository`)],
    gitRepo && validateLocalPath(gitRepo.directory, `${field}.gitRepo.directory`),
    csi && validateCsi(csi, `${field}.csi`),
    ephemeral && validateEphemeral(ephemeral, `${field}.ephemeral`),
    image && validateImage(image, `${field}.image`, pod !== undefined),
    nfs && validateNfs(nfs, `${field}.nfs`),
    persistentVolumeClaim && !persistentVolumeClaim.claimName && [required(`${field}.persistentVolumeClaim.claimName`)],
  );
}

function validateSizeLimit(size: string, field: string): FieldError[] {
  if ((amountOf(size) ?? -1n) >= 0n) return [];
  return [forbidden(field, 'SizeLimit field must be a valid resource quantity')];
}

const MAX_DRIVER_NAME = 63;

function validateCsi(
  { driver, nodePublishSecretRef: secret }: NonNullable<Volume['csi']>,
  field: string,
): FieldError[] {
  return all(
    driver ? validateDriver(driver, `${field}.driver`) : [required(`${field}.driver`)],
    secret && !secret.name && [required(`${field}.nodePublishSecretRef.name`)],
    ruledIfGiven(`${field}.name`, secret?.name, dnsSubdomain),
  );
}

/** Drivers may be written with capitals. */
function validateDriver(driver: string, field: string): FieldError[] {
  return all(
    Buffer.byteLength(driver) > MAX_DRIVER_NAME && [tooLong(field, MAX_DRIVER_NAME)],
    faults(dnsSubdomain, driver.toLowerCase()).map((wrong) => invalid(field, driver, wrong)),
  );
}

type Ephemeral = NonNullable<Volume['ephemeral']>;

function validateEphemeral({ volumeClaimTemplate: template }: Ephemeral, field: string): FieldError[] {
  const at = `${field}.volumeClaimTemplate`;
  if (!template) return [required(at)];
  return all(
    template.metadata && validateTemplateMetadata(template.metadata, at),
    validateClaimSpec(template.spec, `${at}.spec`),
  );
}

/** The claim is named and placed by its pod, so its template can give it labels and annotations only. */
function validateTemplateMetadata(metadata: ObjectMeta, field: string): FieldError[] {
  const { labels, annotations, ...rest } = metadata;
  return all(
    validateAnnotations(annotations, `${field}.metadata.annotations`),
    validateLabels(labels, `${field}.metadata.labels`),
    givenFields(rest).map((key) => forbidden(`${field}.metadata.${key}`, 'cannot be set')),
  );
}

/** A template may leave open which image it is. */
function validateImage(image: NonNullable<Volume['image']>, field: string, ofPod: boolean): FieldError[] {
  return all(
    ofPod && !image.reference && [required(`${field}.reference`)],
    oneOf(`${field}.pullPolicy`, image.pullPolicy, ['Always', 'IfNotPresent', 'Never']),
  );
}

function validateNfs({ server, path = '' }: NonNullable<Volume['nfs']>, field: string): FieldError[] {
  return all(
    !server && [required(`${field}.server`)],
    path === '' && [required(`${field}.path`)],
    !path.startsWith('/') && [invalid(`${field}.path`, path, 'must be an absolute path')],
  );
}

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

/** `hostPath` of a pod's volume or of a PersistentVolume. */
export function validateHostPath(source: Volume['hostPath'], field: string): FieldError[] {
  if (!source) return [];
  if (!source.path) return [required(`${field}.path`)];
  return all(validateNoBacksteps(source.path, `${field}.path`), oneOf(`${field}.type`, source.type, hostPathTypes));
}

function validateSecret(source: NonNullable<Volume['secret']>, field: string): FieldError[] {
  return all(
    !source.secretName && [required(`${field}.secretName`)],
    validateMode(source.defaultMode, `${field}.defaultMode`),
    validateItems(source.items, `${field}.items`),
  );
}

function validateConfigMap(source: NonNullable<Volume['configMap']>, field: string): FieldError[] {
  return all(
    !source.name && [required(`${field}.name`)],
    validateMode(source.defaultMode, `${field}.defaultMode`),
    validateItems(source.items, `${field}.items`),
  );
}

function validateMode(mode: number | undefined, field: string): FieldError[] {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  return [invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}

function validateItems(items: readonly KeyToPath[] | undefined, field: string): FieldError[] {
  return each(items, field, (item, at) =>
    all(
      !item.key && [required(`${at}.key`)],
      item.path ? validateFilePath(item.path, `${at}.path`) : [required(`${at}.path`)],
      validateMode(item.mode, `${at}.mode`),
    ),
  );
}

function validateDownward(source: NonNullable<Volume['downwardAPI']>, field: string): FieldError[] {
  return all(
    validateMode(source.defaultMode, `${field}.defaultMode`),
    // Kubernetes names the volume for what is wrong in one of its items.
    source.items?.flatMap((item) => validateDownwardItem(item, field)),
  );
}

function validateDownwardItem(item: DownwardItem, field: string): FieldError[] {
  const { fieldRef, resourceFieldRef } = item;
  const oneOnly = 'fieldRef and resourceFieldRef can not be specified simultaneously';
  return all(
    item.path ? validateFilePath(item.path, `${field}.path`) : [required(`${field}.path`)],
    fieldRef && validateFieldRef(fieldRef, `${field}.fieldRef`, fileFields),
    !fieldRef && resourceFieldRef && validateResourceRef(resourceFieldRef, `${field}.resourceFieldRef`, true),
    !fieldRef && !resourceFieldRef && [required(field, 'one of fieldRef and resourceFieldRef is required')],
    fieldRef && resourceFieldRef && [invalid(field, 'resource', oneOnly)],
    validateMode(item.mode, `${field}.mode`),
  );
}

function validateProjected(source: NonNullable<Volume['projected']>, field: string): FieldError[] {
  return all(
    validateMode(source.defaultMode, `${field}.defaultMode`),
    each(source.sources, `${field}.sources`, (one, at) => validateProjection(one, at, field)),
    validatePathsOnce(source.sources ?? [], field),
  );
}

/** One source. Kubernetes names the volume for the path of a token. */
function validateProjection(source: Projection, field: string, volume: string): FieldError[] {
  const { secret, configMap, downwardAPI, serviceAccountToken } = source;
  const several = givenFields(source).length > 1;
  return all(
    several && [forbidden(field, 'may not specify more than 1 volume type per source')],
    secret && validateNamedItems(secret, `${field}.secret`),
    configMap && validateNamedItems(configMap, `${field}.configMap`),
    downwardAPI?.items?.flatMap((item) => validateDownwardItem(item, `${field}.downwardAPI`)),
    serviceAccountToken && validateToken(serviceAccountToken, `${field}.serviceAccountToken`, `${volume}.path`),
  );
}

function validateNamedItems(source: { name?: string; items?: readonly KeyToPath[] }, field: string): FieldError[] {
  return all(!source.name && [required(`${field}.name`)], validateItems(source.items, `${field}.items`));
}

type Token = NonNullable<Projection['serviceAccountToken']>;

function validateToken({ expirationSeconds, path }: Token, field: string, ofPath: string): FieldError[] {
  const seconds = expirationSeconds ?? 3600;
  const at = `${field}.expirationSeconds`;
  return all(
    seconds < 600 && [invalid(at, seconds, 'may not specify a duration less than 10 minutes')],
    seconds > 2 ** 32 && [invalid(at, seconds, 'may not specify a duration larger than 2^32 seconds')],
    path ? validateFilePath(path, ofPath) : [required(ofPath)],
  );
}

/** Two sources cannot write the same file, as far as they name their files. */
function validatePathsOnce(sources: readonly Projection[], field: string): FieldError[] {
  const taken = new Set<string>();
  return sources
    .flatMap(({ secret, configMap, downwardAPI }) => [
      ...(secret?.items ?? []).map(({ path }) => ({ path, shown: secret?.name ?? '' })),
      ...(configMap?.items ?? []).map(({ path }) => ({ path, shown: configMap?.name ?? '' })),
      ...(downwardAPI?.items ?? []).map(({ path }) => ({ path, shown: path })),
    ])
    .flatMap(({ path, shown }) => {
      if (!path || !taken.has(path)) {
        taken.add(path);
        return [];
      }
      return [invalid(field, shown, 'conflicting duplicate paths')];
    });
}
