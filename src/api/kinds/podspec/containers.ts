import type { FieldError } from '../../kind.ts';
import type { Container, PodSpec, Volume } from '../../types.ts';
import { all, duplicate, each, forbidden, invalid, named, notFound, oneOf, required } from '../errors.ts';
import { dnsLabel, portName, portNumber } from '../names.ts';
import { validateEnv, validateEnvFrom } from './env.ts';
import { validateLifecycle, validateProbes } from './probes.ts';
import { validateContainerResources } from './resources.ts';
import { validateRestart } from './restart.ts';

type Port = NonNullable<Container['ports']>[number];
type Mount = NonNullable<Container['volumeMounts']>[number];

/** What containers refer to in the rest of the pod. */
interface PodParts {
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly claims: readonly string[];
}

/** All containers of a pod: each by itself, names unique among them, host ports taken once. */
export function validateContainers(spec: PodSpec, field: string): FieldError[] {
  const parts: PodParts = {
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    claims: (spec.resourceClaims ?? []).map((claim) => claim.name),
  };
  const containers = spec.containers ?? [];
  const { initContainers: init, ephemeralContainers: ephemeral } = spec;
  const validateAny = (one: Container, at: string) => validateContainer(one, at, parts);
  const validateEphemeral = (one: EphemeralContainer, at: string) => validateEphemeralContainer(one, spec, at);
  return all(
    containers.length === 0 && [required(`${field}.containers`)],
    each(containers, `${field}.containers`, validateAny),
    each(containers, `${field}.containers`, validateMainContainer),
    init && each(init, `${field}.initContainers`, validateAny),
    init && each(init, `${field}.initContainers`, validateInitContainer),
    ephemeral && each(ephemeral, `${field}.ephemeralContainers`, validateAny),
    ephemeral && each(ephemeral, `${field}.ephemeralContainers`, validateEphemeral),
    validateUniqueNames(spec, field),
    validateHostPorts(spec, field),
  );
}

function validateContainer(container: Container, field: string, parts: PodParts): FieldError[] {
  return all(
    named(`${field}.name`, container.name, dnsLabel),
    validateImage(container.image, `${field}.image`),
    oneOf(`${field}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    oneOf(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, ['FallbackToLogsOnError', 'File']),
    container.ports && validatePorts(container.ports, `${field}.ports`),
    container.env && validateEnv(container.env, `${field}.env`, parts.volumes),
    container.envFrom && validateEnvFrom(container.envFrom, `${field}.envFrom`),
    container.volumeMounts && validateMounts(container, `${field}.volumeMounts`, parts.volumes),
    container.resources && validateContainerResources(container.resources, `${field}.resources`, parts.claims),
    container.securityContext && validateSecurityContext(container.securityContext, `${field}.securityContext`),
  );
}

function validateMainContainer(container: Container, field: string): FieldError[] {
  const { lifecycle } = container;
  return all(
    validateProbes(container, field),
    lifecycle && validateLifecycle(lifecycle, `${field}.lifecycle`),
    validateRestart(container, field),
  );
}

/** An init container that does not stay (`restartPolicy: Always` makes it a sidecar) has no life to probe. */
function validateInitContainer(container: Container, field: string): FieldError[] {
  if (container.restartPolicy === 'Always') return validateMainContainer(container, field);
  const lasting = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const;
  const detail = 'may not be set for init containers without restartPolicy=Always';
  const errors = lasting
    .filter((key) => container[key] !== undefined)
    .map((key) => forbidden(`${field}.${key}`, detail));
  return [...errors, ...validateRestart(container, field)];
}

type EphemeralContainer = NonNullable<PodSpec['ephemeralContainers']>[number];

/** It is there to look, not to serve, and nothing was set aside for it. */
function validateEphemeralContainer(container: EphemeralContainer, spec: PodSpec, field: string): FieldError[] {
  const serving = ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle', 'resources'] as const;
  const errors = serving
    .filter((key) => container[key] !== undefined && Object.keys(container[key]).length > 0)
    .map((key) => forbidden(`${field}.${key}`, 'cannot be set for an Ephemeral Container'));
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    if (mount.subPath)
      errors.push(forbidden(`${field}.volumeMounts[${i}].subPath`, 'cannot be set for an Ephemeral Container'));
  }
  const target = container.targetContainerName;
  const names = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name);
  if (target && !names.includes(target)) errors.push(notFound(`${field}.targetContainerName`, target));
  return errors;
}

function validateImage(image: string | undefined, field: string): FieldError[] {
  if (!image) return [required(field)];
  return image === image.trim() ? [] : [invalid(field, image, 'must not have leading or trailing whitespace')];
}

function validatePorts(ports: readonly Port[], field: string): FieldError[] {
  const names = ports.map((port) => port.name);
  return each(ports, field, (port, at, i) => {
    const again = port.name !== undefined && port.name !== '' && names.indexOf(port.name) < i;
    return all(validatePort(port, at), again ? [duplicate(`${at}.name`, port.name)] : []);
  });
}

function validatePort(port: Port, field: string): FieldError[] {
  const wrongName = port.name ? portName(port.name) : undefined;
  const wrongPort = port.containerPort ? portNumber(port.containerPort) : undefined;
  const wrongHostPort = port.hostPort ? portNumber(port.hostPort) : undefined;
  return all(
    wrongName ? [invalid(`${field}.name`, port.name, wrongName)] : [],
    port.containerPort ? [] : [required(`${field}.containerPort`)],
    wrongPort ? [invalid(`${field}.containerPort`, port.containerPort, wrongPort)] : [],
    wrongHostPort ? [invalid(`${field}.hostPort`, port.hostPort, wrongHostPort)] : [],
    oneOf(`${field}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
  );
}

function validateMounts(container: Container, field: string, volumes: PodParts['volumes']): FieldError[] {
  const mounts = container.volumeMounts ?? [];
  const paths = mounts.map((mount) => mount.mountPath);
  return each(mounts, field, (mount, at, i) => {
    const again = mount.mountPath && paths.indexOf(mount.mountPath) < i;
    return all(
      validateMount(mount, at, volumes),
      again ? [invalid(`${at}.mountPath`, mount.mountPath, 'must be unique')] : [],
      validatePropagation(mount, container, `${at}.mountPropagation`),
    );
  });
}

function validateMount(mount: Mount, field: string, volumes: PodParts['volumes']): FieldError[] {
  const errors: FieldError[] = [];
  if (!mount.name) errors.push(required(`${field}.name`));
  else if (!volumes.has(mount.name)) errors.push(notFound(`${field}.name`, mount.name));
  if (!mount.mountPath) errors.push(required(`${field}.mountPath`));
  if (mount.subPath && mount.subPathExpr) {
    errors.push(invalid(`${field}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
  }
  errors.push(...validateLocalPath(mount.subPath, `${field}.subPath`));
  errors.push(...validateLocalPath(mount.subPathExpr, `${field}.subPathExpr`));
  return errors;
}

/** A path below another one: relative, and never upwards. */
export function validateLocalPath(path: string | undefined, field: string): FieldError[] {
  if (!path) return [];
  if (path.startsWith('/')) return [invalid(field, path, 'must be a relative path')];
  return path.split('/').includes('..') ? [invalid(field, path, "must not contain '..'")] : [];
}

function validatePropagation(mount: Mount, container: Container, field: string): FieldError[] {
  if (!mount.mountPropagation) return [];
  const unknown = oneOf(field, mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None']);
  if (mount.mountPropagation !== 'Bidirectional' || container.securityContext?.privileged) return unknown;
  return [forbidden(field, 'Bidirectional mount propagation is available only to privileged containers')];
}

function validateSecurityContext(context: Container['securityContext'], field: string): FieldError[] {
  if (!context) return [];
  const errors = all(
    validateUserId(context.runAsUser, `${field}.runAsUser`),
    validateUserId(context.runAsGroup, `${field}.runAsGroup`),
  );
  if (context.privileged && context.allowPrivilegeEscalation === false) {
    const detail = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true';
    errors.push(invalid(field, context, detail));
  }
  return errors;
}

/** A user's or group's number. */
export function validateUserId(id: number | undefined, field: string): FieldError[] {
  if (id === undefined || (id >= 0 && id <= 2147483647)) return [];
  return [invalid(field, id, 'must be between 0 and 2147483647, inclusive')];
}

function validateUniqueNames(spec: PodSpec, field: string): FieldError[] {
  const seen = new Set<string>();
  const validateName = ({ name }: { readonly name: string }, at: string): FieldError[] => {
    if (name && seen.has(name)) return [duplicate(`${at}.name`, name)];
    seen.add(name);
    return [];
  };
  const { containers, initContainers, ephemeralContainers } = spec;
  return all(
    each(containers, `${field}.containers`, validateName),
    initContainers && each(initContainers, `${field}.initContainers`, validateName),
    ephemeralContainers && each(ephemeralContainers, `${field}.ephemeralContainers`, validateName),
  );
}

function validateHostPorts(spec: PodSpec, field: string): FieldError[] {
  if (!spec.containers?.some(({ ports }) => ports?.some(({ hostPort }) => hostPort))) return [];
  const taken = new Set<string>();
  return each(spec.containers, `${field}.containers`, (container, place) =>
    each(container.ports, `${place}.ports`, (port, at) => {
      if (!port.hostPort) return [];
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`;
      const again = taken.has(key);
      taken.add(key);
      const differs = spec.hostNetwork && port.hostPort !== port.containerPort;
      return all(
        again ? [duplicate(`${at}.hostPort`, key)] : [],
        differs
          ? [invalid(`${at}.containerPort`, port.containerPort, 'must match `hostPort` when `hostNetwork` is true')]
          : [],
      );
    }),
  );
}
