import type { FieldError } from '../../kind.ts';
import type { Container, Volume } from '../../types.ts';
import { all, each, invalid, named, notFound, notSupported, required } from '../errors.ts';
import { dataKey, dnsLabel, dnsSubdomain, envName, qualifiedName } from '../names.ts';

type EnvVar = NonNullable<Container['env']>[number];
type EnvFrom = NonNullable<Container['envFrom']>[number];
type Source = NonNullable<EnvVar['valueFrom']>;
type VolumesByName = ReadonlyMap<string, Volume>;

const envFields = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

/** Fields that a file of a downward API volume may show. */
export const fileFields = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

/** `volumes`: the pod's, by name. */
export function validateEnv(env: readonly EnvVar[], field: string, volumes: VolumesByName): FieldError[] {
  return each(env, field, (one, at) => {
    const wrong = one.name ? envName(one.name) : undefined;
    return all(
      one.name ? [] : [required(`${at}.name`)],
      wrong ? [invalid(`${at}.name`, one.name, wrong)] : [],
      one.valueFrom ? validateSource(one.valueFrom, one.value, `${at}.valueFrom`, volumes) : [],
    );
  });
}

function validateSource(
  source: Source,
  value: string | undefined,
  field: string,
  volumes: VolumesByName,
): FieldError[] {
  const given = Object.values(source).filter((one) => one !== undefined && one !== null).length;
  const errors = all(
    validateFieldRef(source.fieldRef, `${field}.fieldRef`, envFields),
    validateKeyRef(source.configMapKeyRef, `${field}.configMapKeyRef`),
    validateKeyRef(source.secretKeyRef, `${field}.secretKeyRef`),
    validateFileRef(source.fileKeyRef, `${field}.fileKeyRef`, volumes),
  );
  if (source.resourceFieldRef && !source.resourceFieldRef.resource) {
    errors.push(required(`${field}.resourceFieldRef.resource`));
  }
  if (given === 0) errors.push(invalid(field, '', sourceText));
  else if (value) errors.push(invalid(field, '', 'may not be specified when `value` is not empty'));
  else if (given > 1) errors.push(invalid(field, '', 'may not have more than one field specified at a time'));
  return errors;
}

const sourceText =
  'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';

/** A reference to a field of the pod; `metadata.labels['key']` and annotations name one entry. */
export function validateFieldRef(ref: Source['fieldRef'], field: string, supported: readonly string[]): FieldError[] {
  if (!ref) return [];
  if (!ref.fieldPath) return [required(`${field}.fieldPath`)];
  const [, map, key] = /^(metadata\.(?:labels|annotations))\['(.+)'\]$/.exec(ref.fieldPath) ?? [];
  if (map !== undefined && key !== undefined) {
    const wrong = qualifiedName(map === 'metadata.annotations' ? key.toLowerCase() : key);
    return wrong ? [invalid(field, key, wrong)] : [];
  }
  return supported.includes(ref.fieldPath) ? [] : [notSupported(`${field}.fieldPath`, ref.fieldPath, supported)];
}

function validateKeyRef(ref: { name?: string; key?: string } | undefined, field: string): FieldError[] {
  if (!ref) return [];
  const wrong = ref.key ? dataKey(ref.key) : undefined;
  return all(
    ref.name ? [] : [required(`${field}.name`)],
    ref.key ? [] : [required(`${field}.key`)],
    wrong ? [invalid(`${field}.key`, ref.key, wrong)] : [],
  );
}

/** A variable in a file that another of the pod's containers has written (KEP-3721). */
function validateFileRef(ref: Source['fileKeyRef'], field: string, volumes: VolumesByName): FieldError[] {
  if (!ref) return [];
  const errors: FieldError[] = [];
  const wrongKey = ref.key ? envName(ref.key) : undefined;
  if (!ref.key) errors.push(required(`${field}.key`));
  else if (wrongKey) errors.push(invalid(`${field}.key`, ref.key, wrongKey));
  const at = `${field}.volumeName`;
  errors.push(...named(at, ref.volumeName, dnsLabel));
  if (!ref.path) errors.push(required(`${field}.path`));
  else if (ref.path.split('/').includes('..')) errors.push(invalid(`${field}.path`, ref.path, "must not contain '..'"));
  const volume = volumes.get(ref.volumeName);
  if (!volume) errors.push(notFound(at, ref.volumeName));
  else if (!volume.emptyDir) errors.push(invalid(at, ref.volumeName, 'referenced volume must be of type emptyDir'));
  return errors;
}

export function validateEnvFrom(sources: readonly EnvFrom[], field: string): FieldError[] {
  return each(sources, field, (source, at) => {
    const wrongPrefix = source.prefix ? envName(source.prefix) : undefined;
    const given = [source.configMapRef, source.secretRef].filter(Boolean).length;
    return all(
      wrongPrefix ? [invalid(`${at}.prefix`, source.prefix, wrongPrefix)] : [],
      validateNameRef(source.configMapRef, `${at}.configMapRef`),
      validateNameRef(source.secretRef, `${at}.secretRef`),
      given === 0 ? [invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`')] : [],
      given > 1 ? [invalid(at, '', 'may not have more than one field specified at a time')] : [],
    );
  });
}

function validateNameRef(ref: { name?: string } | undefined, field: string): FieldError[] {
  if (!ref) return [];
  if (!ref.name) return [required(`${field}.name`)];
  const wrong = dnsSubdomain(ref.name);
  return wrong ? [invalid(`${field}.name`, ref.name, wrong)] : [];
}
