import type { FieldError } from '../../kind.ts';
import type { Container, Volume } from '../../types.ts';
import { all, each, invalid, named, notFound, notSupported, required, ruled, ruledIfGiven } from '../errors.ts';
import { dataKey, dnsLabel, dnsSubdomain, envName, faultsOfPrefix, qualifiedName } from '../names.ts';

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
    const ofName = named(`${at}.name`, one.name, envName);
    if (!one.valueFrom) return ofName;
    return all(ofName, validateSource(one.valueFrom, one.value, `${at}.valueFrom`, volumes));
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
    source.resourceFieldRef && validateResourceRef(source.resourceFieldRef, `${field}.resourceFieldRef`),
  );
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
  const path = ref.fieldPath;
  const at = `${field}.fieldPath`;
  if (!path) return [required(at)];
  if (ref.apiVersion !== undefined && ref.apiVersion !== 'v1') {
    return [invalid(at, path, `error converting fieldPath: unsupported pod version: ${ref.apiVersion}`)];
  }
  if (supported.includes(path)) return [];
  const [, map, key = ''] = /^(.+?)\['(.*)'\]$/.exec(path) ?? [];
  if (map === 'metadata.labels') return ruled(field, key, qualifiedName);
  if (map === 'metadata.annotations') return ruled(field, key.toLowerCase(), qualifiedName);
  if (map !== undefined) {
    return [invalid(at, path, `error converting fieldPath: field label does not support subscript: ${path}`)];
  }
  if (knownFields.has(path)) return [notSupported(at, path, supported)];
  return [invalid(at, path, `error converting fieldPath: field label not supported: ${path}`)];
}

/** Fields that have a name in this language, if not in this place. */
const knownFields: ReadonlySet<string> = new Set([
  ...envFields,
  ...fileFields,
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);

type ResourceRef = NonNullable<Source['resourceFieldRef']>;

const resourceFields = ['limits', 'requests'].flatMap((part) =>
  ['cpu', 'ephemeral-storage', 'memory'].map((name) => `${part}.${name}`),
);
const hugePages = /^(?:limits|requests)\.hugepages-/;

/** What a container may have; `inFile`: of a volume, which must say of which container. */
export function validateResourceRef(ref: ResourceRef, field: string, inFile = false): FieldError[] {
  const { resource = '', containerName, divisor } = ref;
  return all(
    validateResourceName(resource, inFile && !containerName, field),
    divisor !== undefined && validateDivisor(resource, divisor, `${field}.divisor`),
  );
}

function validateResourceName(resource: string, lacksContainer: boolean, field: string): FieldError[] {
  if (lacksContainer) return [required(`${field}.containerName`)];
  if (resource === '') return [required(`${field}.resource`)];
  if (resourceFields.includes(resource) || hugePages.test(resource)) return [];
  return [notSupported(`${field}.resource`, resource, resourceFields)];
}

const byteDivisors = [
  '1',
  ...['k', 'M', 'G', 'T', 'P', 'E', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((one) => `1${one}`),
];

function validateDivisor(resource: string, divisor: string, field: string): FieldError[] {
  if (divisor === '0') return [];
  if (resource === 'limits.cpu' || resource === 'requests.cpu') {
    const detail = "only divisor's values 1m and 1 are supported with the cpu resource";
    return divisor === '1m' || divisor === '1' ? [] : [invalid(field, resource, detail)];
  }
  const what = divided(resource);
  if (what === undefined || byteDivisors.includes(divisor)) return [];
  const detail = `only divisor's values ${byteDivisors.join(', ')} are supported with the ${what} resource`;
  return [invalid(field, resource, detail)];
}

function divided(resource: string): string | undefined {
  if (hugePages.test(resource)) return 'hugepages';
  if (!resourceFields.includes(resource)) return undefined;
  return resource.endsWith('.memory') ? 'memory' : 'local ephemeral storage';
}

function validateKeyRef(ref: { name?: string; key?: string } | undefined, field: string): FieldError[] {
  if (!ref) return [];
  return all(ruled(`${field}.name`, ref.name ?? '', dnsSubdomain), named(`${field}.key`, ref.key, dataKey));
}

/** A variable in a file that another of the pod's containers has written (KEP-3721). */
function validateFileRef(ref: Source['fileKeyRef'], field: string, volumes: VolumesByName): FieldError[] {
  if (!ref) return [];
  const errors = named(`${field}.key`, ref.key, envName);
  const at = `${field}.volumeName`;
  errors.push(...named(at, ref.volumeName, dnsLabel));
  if (!ref.path) errors.push(required(`${field}.path`));
  else if (ref.path.split('/').includes('..')) errors.push(invalid(`${field}.path`, ref.path, "must not contain '..'"));
  const volume = volumes.get(ref.volumeName);
  if (!volume) errors.push(notFound(at, ref.volumeName ?? ''));
  else if (!volume.emptyDir) errors.push(invalid(at, ref.volumeName, 'referenced volume must be of type emptyDir'));
  return errors;
}

export function validateEnvFrom(sources: readonly EnvFrom[], field: string): FieldError[] {
  return each(sources, field, (source, at) => {
    const given = [source.configMapRef, source.secretRef].filter(Boolean).length;
    return all(
      ruledIfGiven(`${at}.prefix`, source.prefix, envName),
      validateNameRef(source.configMapRef, `${at}.configMapRef`),
      validateNameRef(source.secretRef, `${at}.secretRef`),
      given === 0 && [invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`')],
      given > 1 && [invalid(field, '', 'may not have more than one field specified at a time')],
    );
  });
}

function validateNameRef(ref: { name?: string } | undefined, field: string): FieldError[] {
  if (!ref) return [];
  const { name = '' } = ref;
  if (name === '') return [required(`${field}.name`)];
  return faultsOfPrefix(dnsSubdomain, name).map((wrong) => invalid(`${field}.name`, name, wrong));
}
