import type { FieldError } from '../../kind.ts';
import type { Volume } from '../../types.ts';
import { all, duplicate, each, forbidden, givenFields, invalid, named, oneOf, required } from '../errors.ts';
import { dnsLabel } from '../names.ts';
import { validateLocalPath } from './containers.ts';
import { fileFields, validateFieldRef } from './env.ts';
import { validateAmount } from './resources.ts';

type Projection = NonNullable<NonNullable<Volume['projected']>['sources']>[number];
type KeyToPath = { key: string; path: string; mode?: number };
type DownwardItem = NonNullable<NonNullable<Volume['downwardAPI']>['items']>[number];

export function validateVolumes(volumes: readonly Volume[], field: string): FieldError[] {
  const names = volumes.map((volume) => volume.name);
  return each(volumes, field, (volume, at, i) => {
    const again = volume.name && names.indexOf(volume.name) < i;
    return all(
      named(`${at}.name`, volume.name, dnsLabel),
      again ? [duplicate(`${at}.name`, volume.name)] : [],
      validateSource(volume, at),
    );
  });
}

function validateSource(volume: Volume, field: string): FieldError[] {
  const { emptyDir, hostPath, secret, configMap, downwardAPI, projected, persistentVolumeClaim, image } = volume;
  const given = givenFields(volume).filter((key) => key !== 'name');
  if (given.length === 0) return [required(field, 'must specify a volume type')];
  return all(
    given.length > 1 && validateOnlyOne(given, field),
    emptyDir?.sizeLimit !== undefined && validateAmount(emptyDir.sizeLimit, `${field}.emptyDir.sizeLimit`),
    hostPath && validateHostPath(hostPath, `${field}.hostPath`),
    secret && validateSecret(secret, `${field}.secret`),
    configMap && validateConfigMap(configMap, `${field}.configMap`),
    downwardAPI && validateDownward(downwardAPI, `${field}.downwardAPI`),
    projected && validateProjected(projected, `${field}.projected`),
    image && !image.reference && [required(`${field}.image.reference`)],
    persistentVolumeClaim && !persistentVolumeClaim.claimName && [required(`${field}.persistentVolumeClaim.claimName`)],
  );
}

function validateOnlyOne(given: readonly string[], field: string): FieldError[] {
  return given.slice(1).map((key) => forbidden(`${field}.${key}`, 'may not specify more than 1 volume type'));
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
  const upwards = source.path.split('/').includes('..');
  return all(
    upwards ? [invalid(`${field}.path`, source.path, "must not contain '..'")] : [],
    oneOf(`${field}.type`, source.type, hostPathTypes),
  );
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
      item.path ? validateLocalPath(item.path, `${at}.path`) : [required(`${at}.path`)],
      validateMode(item.mode, `${at}.mode`),
    ),
  );
}

function validateDownward(source: NonNullable<Volume['downwardAPI']>, field: string): FieldError[] {
  return all(
    validateMode(source.defaultMode, `${field}.defaultMode`),
    each(source.items, `${field}.items`, validateDownwardItem),
  );
}

function validateDownwardItem(item: DownwardItem, field: string): FieldError[] {
  const { fieldRef, resourceFieldRef } = item;
  const oneOnly = 'fieldRef and resourceFieldRef can not be specified simultaneously';
  return all(
    item.path ? validateLocalPath(item.path, `${field}.path`) : [required(`${field}.path`)],
    fieldRef && validateFieldRef(fieldRef, `${field}.fieldRef`, fileFields),
    !fieldRef && !resourceFieldRef && [required(field, 'one of fieldRef and resourceFieldRef is required')],
    fieldRef && resourceFieldRef && [invalid(field, 'resource', oneOnly)],
    validateMode(item.mode, `${field}.mode`),
  );
}

function validateProjected(source: NonNullable<Volume['projected']>, field: string): FieldError[] {
  return all(
    validateMode(source.defaultMode, `${field}.defaultMode`),
    each(source.sources, `${field}.sources`, validateProjection),
  );
}

function validateProjection(source: Projection, field: string): FieldError[] {
  const { secret, configMap, downwardAPI, serviceAccountToken } = source;
  const given = givenFields(source);
  return all(
    given.length === 0 && [required(field, 'must specify exactly one source type')],
    given.length > 1 && validateOnlyOne(given, field),
    secret && validateNamedItems(secret, `${field}.secret`),
    configMap && validateNamedItems(configMap, `${field}.configMap`),
    downwardAPI && each(downwardAPI.items, `${field}.downwardAPI.items`, validateDownwardItem),
    serviceAccountToken && validateTokenProjection(serviceAccountToken, `${field}.serviceAccountToken`),
  );
}

function validateNamedItems(source: { name?: string; items?: readonly KeyToPath[] }, field: string): FieldError[] {
  return all(!source.name && [required(`${field}.name`)], validateItems(source.items, `${field}.items`));
}

type TokenProjection = NonNullable<Projection['serviceAccountToken']>;

function validateTokenProjection(token: TokenProjection, field: string): FieldError[] {
  const seconds = token.expirationSeconds ?? 3600;
  return all(
    seconds < 600 && [
      invalid(`${field}.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes'),
    ],
    token.path ? validateLocalPath(token.path, `${field}.path`) : [required(`${field}.path`)],
  );
}
