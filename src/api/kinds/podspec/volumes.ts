import type { FieldError } from '../../kind.ts';
import type { Volume } from '../../types.ts';
import { duplicate, forbidden, invalid, named, oneOf, required } from '../errors.ts';
import { dnsLabel } from '../names.ts';
import { validateLocalPath } from './containers.ts';
import { fileFields, validateFieldRef } from './env.ts';
import { validateAmount } from './resources.ts';

type Projection = NonNullable<NonNullable<Volume['projected']>['sources']>[number];
type KeyToPath = { key: string; path: string; mode?: number };
type DownwardItem = NonNullable<NonNullable<Volume['downwardAPI']>['items']>[number];

export function validateVolumes(volumes: readonly Volume[], field: string): FieldError[] {
  const names = volumes.map((volume) => volume.name);
  return volumes.flatMap((volume, i) => {
    const at = `${field}[${i}]`;
    const again = volume.name && names.indexOf(volume.name) < i;
    return [
      ...named(`${at}.name`, volume.name, dnsLabel),
      ...(again ? [duplicate(`${at}.name`, volume.name)] : []),
      ...validateSource(volume, at),
    ];
  });
}

function validateSource(volume: Volume, field: string): FieldError[] {
  const given = Object.entries(volume).filter(([key, value]) => key !== 'name' && value);
  if (given.length === 0) return [required(field, 'must specify a volume type')];
  return [
    ...given.slice(1).map(([key]) => forbidden(`${field}.${key}`, 'may not specify more than 1 volume type')),
    ...validateEmptyDir(volume.emptyDir, `${field}.emptyDir`),
    ...validateHostPath(volume.hostPath, `${field}.hostPath`),
    ...validateConfigSources(volume, field),
    ...validateDownward(volume.downwardAPI, `${field}.downwardAPI`),
    ...validateProjected(volume.projected, `${field}.projected`),
    ...(volume.persistentVolumeClaim && !volume.persistentVolumeClaim.claimName
      ? [required(`${field}.persistentVolumeClaim.claimName`)]
      : []),
  ];
}

function validateEmptyDir(source: Volume['emptyDir'], field: string): FieldError[] {
  return source?.sizeLimit === undefined ? [] : validateAmount(source.sizeLimit, `${field}.sizeLimit`);
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
  return [
    ...(upwards ? [invalid(`${field}.path`, source.path, "must not contain '..'")] : []),
    ...oneOf(`${field}.type`, source.type, hostPathTypes),
  ];
}

function validateConfigSources({ secret, configMap }: Volume, field: string): FieldError[] {
  return [
    ...(secret && !secret.secretName ? [required(`${field}.secret.secretName`)] : []),
    ...validateMode(secret?.defaultMode, `${field}.secret.defaultMode`),
    ...validateItems(secret?.items ?? [], `${field}.secret.items`),
    ...(configMap && !configMap.name ? [required(`${field}.configMap.name`)] : []),
    ...validateMode(configMap?.defaultMode, `${field}.configMap.defaultMode`),
    ...validateItems(configMap?.items ?? [], `${field}.configMap.items`),
  ];
}

function validateMode(mode: number | undefined, field: string): FieldError[] {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  return [invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}

function validateItems(items: readonly KeyToPath[], field: string): FieldError[] {
  return items.flatMap((item, i) => {
    const at = `${field}[${i}]`;
    return [
      ...(item.key ? [] : [required(`${at}.key`)]),
      ...(item.path ? [] : [required(`${at}.path`)]),
      ...validateLocalPath(item.path, `${at}.path`),
      ...validateMode(item.mode, `${at}.mode`),
    ];
  });
}

function validateDownward(source: Volume['downwardAPI'], field: string): FieldError[] {
  if (!source) return [];
  return [
    ...validateMode(source.defaultMode, `${field}.defaultMode`),
    ...(source.items ?? []).flatMap((item, i) => validateDownwardItem(item, `${field}.items[${i}]`)),
  ];
}

function validateDownwardItem(item: DownwardItem, field: string): FieldError[] {
  const given = [item.fieldRef, item.resourceFieldRef].filter(Boolean).length;
  const oneOnly = 'fieldRef and resourceFieldRef can not be specified simultaneously';
  return [
    ...(item.path ? validateLocalPath(item.path, `${field}.path`) : [required(`${field}.path`)]),
    ...validateFieldRef(item.fieldRef, `${field}.fieldRef`, fileFields),
    ...(given === 0 ? [required(field, 'one of fieldRef and resourceFieldRef is required')] : []),
    ...(given === 2 ? [invalid(field, 'resource', oneOnly)] : []),
    ...validateMode(item.mode, `${field}.mode`),
  ];
}

function validateProjected(source: Volume['projected'], field: string): FieldError[] {
  if (!source) return [];
  return [
    ...validateMode(source.defaultMode, `${field}.defaultMode`),
    ...(source.sources ?? []).flatMap((one, i) => validateProjection(one, `${field}.sources[${i}]`)),
  ];
}

function validateProjection(source: Projection, field: string): FieldError[] {
  const given = Object.entries(source).filter(([, value]) => value);
  return [
    ...(given.length === 0 ? [required(field, 'must specify exactly one source type')] : []),
    ...given.slice(1).map(([key]) => forbidden(`${field}.${key}`, 'may not specify more than 1 volume type')),
    ...(source.secret && !source.secret.name ? [required(`${field}.secret.name`)] : []),
    ...validateItems(source.secret?.items ?? [], `${field}.secret.items`),
    ...(source.configMap && !source.configMap.name ? [required(`${field}.configMap.name`)] : []),
    ...validateItems(source.configMap?.items ?? [], `${field}.configMap.items`),
    ...(source.downwardAPI?.items ?? []).flatMap((item, i) =>
      validateDownwardItem(item, `${field}.downwardAPI.items[${i}]`),
    ),
    ...validateTokenProjection(source.serviceAccountToken, `${field}.serviceAccountToken`),
  ];
}

function validateTokenProjection(token: Projection['serviceAccountToken'], field: string): FieldError[] {
  if (!token) return [];
  const seconds = token.expirationSeconds ?? 3600;
  return [
    ...(seconds < 600
      ? [invalid(`${field}.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes')]
      : []),
    ...(token.path ? validateLocalPath(token.path, `${field}.path`) : [required(`${field}.path`)]),
  ];
}
