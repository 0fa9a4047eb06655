import type { FieldError } from '../../kind.ts';
import type { Container, PodSpec, Volume } from '../../types.ts';
import { all, duplicate, each, forbidden, invalid, named, notFound, oneOf, required, ruledIfGiven } from '../errors.ts';
import { dnsLabel, portName, portNumber } from '../names.ts';
import { validateDevices } from './devices.ts';
import { validateEnv, validateEnvFrom } from './env.ts';
import { validateLocalPath } from './paths.ts';
import { validateLifecycle, validateProbes } from './probes.ts';
import { validateResizePolicy } from './resize-policy.ts';
import { validateContainerResources } from './resources.ts';
import { validateRestart } from './restart.ts';
import { validateSecurityContext } from './security.ts';

type Port = NonNullable<Container['ports']>[number];
type Mount = NonNullable<Container['volumeMounts']>[number];

type VolumesByName = ReadonlyMap<string, Volume>;

/** What containers refer to in the rest of the pod. */
interface PodParts {
  readonly spec: PodSpec;
  readonly ofPod: boolean;
  readonly volumes: VolumesByName;
  readonly mountable: VolumesByName;
  readonly claims: readonly string[];
}

/**
 * All containers of a pod: each by itself, names unique among them, host ports taken once.
 * `mountable`: its volumes that nothing is wrong with.
 */
export function validateContainers(
  spec: PodSpec,
  field: string,
  mountable: VolumesByName,
  ofPod: boolean,
): FieldError[] {
  const parts: PodParts = {
    spec,
    ofPod,
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    mountable,
    claims: (spec.resourceClaims ?? []).map((claim) => claim.name).filter(Boolean),
  };
  const grace = spec.terminationGracePeriodSeconds ?? 0;
  const validateMain = (one: Container, at: string) => validateMainContainer(one, grace, at);
  const validateInit = (one: Container, at: string) => validateInitContainer(one, grace, at);
  const containers = spec.containers ?? [];
  const { initContainers: init, ephemeralContainers: ephemeral } = spec;
  const validateAny = (one: Container, at: string) => validateContainer(one, at, parts);
  const validateEphemeral = (one: EphemeralContainer, at: string) => validateEphemeralContainer(one, spec, at);
  return all(
    containers.length === 0 && [required(`${field}.containers`)],
    each(containers, `${field}.containers`, validateAny),
    each(containers, `${field}.containers`, validateMain),
    init && each(init, `${field}.initContainers`, validateAny),
    init && each(init, `${field}.initContainers`, validateInit),
    ephemeral && each(ephemeral, `${field}.ephemeralContainers`, validateAny),
    ephemeral && each(ephemeral, `${field}.ephemeralContainers`, validateEphemeral),
    validateUniqueNames(spec, field),
    validateHostPorts(spec, field),
  );
}

function validateContainer(container: Container, field: string, parts: PodParts): FieldError[] {
  return all(
    named(`${field}.name`, container.name, dnsLabel),
    validateImage(container.image, `${field}.image`, parts.ofPod),
    oneOf(`${field}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    oneOf(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError']),
    container.ports && validatePorts(container.ports, `${field}.ports`),
    container.env && validateEnv(container.env, `${field}.env`, parts.volumes),
    container.envFrom && validateEnvFrom(container.envFrom, `${field}.envFrom`),
    container.volumeMounts && validateMounts(container, `${field}.volumeMounts`, parts.mountable),
    container.volumeDevices && validateDevices(container, `${field}.volumeDevices`, parts.mountable),
    container.resources && validateContainerResources(container.resources, `${field}.resources`, parts.claims),
    container.resizePolicy &&
      validateResizePolicy(container.resizePolicy, parts.spec.restartPolicy, `${field}.resizePolicy`),
    container.securityContext &&
      validateSecurityContext(container.securityContext, parts.spec.hostUsers, `${field}.securityContext`),
  );
}

function validateMainContainer(container: Container, grace: number, field: string): FieldError[] {
  const { lifecycle } = container;
  return all(
    validateProbes(container, field),
    lifecycle && validateLifecycle(lifecycle, grace, `${field}.lifecycle`),
    validateRestart(container, field),
  );
}

/** An init container that does not stay (`restartPolicy: Always` makes it a sidecar) has no life to probe. */
function validateInitContainer(container: Container, grace: number, field: string): FieldError[] {
  if (container.restartPolicy === 'Always') return validateMainContainer(container, grace, field);
  const lasting = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const;
  const detail = 'may not be set for init containers without restartPolicy=Always';
  const errors = lasting
    .filter((key) => container[key] !== undefined)
    .map((key) => forbidden(`${field}.${key}`, detail));
  const again = "must not be set to 'RestartContainer' for non-sidecar initContainers";
  const ofResize = each(container.resizePolicy, `${field}.resizePolicy`, ({ restartPolicy }, at) =>
    restartPolicy === 'RestartContainer' ? [invalid(`${at}.restartPolicy`, restartPolicy, again)] : [],
  );
  return all(errors, validateRestart(container, field), ofResize);
}

type EphemeralContainer = NonNullable<PodSpec['ephemeralContainers']>[number];

const cannotBeSet = 'cannot be set for an Ephemeral Container';
const notOfEphemeral = [
  ...(['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'] as const),
  ...(['resources', 'resizePolicy', 'restartPolicy', 'restartPolicyRules'] as const),
];

/** It is there to look, not to serve, and nothing was set aside for it. */
function validateEphemeralContainer(container: EphemeralContainer, spec: PodSpec, field: string): FieldError[] {
  const errors = notOfEphemeral
    .filter((key) => container[key] !== undefined && Object.keys(container[key]).length > 0)
    .map((key) => forbidden(`${field}.${key}`, cannotBeSet));
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    for (const key of ['subPath', 'subPathExpr'] as const) {
      if (mount[key]) errors.push(forbidden(`${field}.volumeMounts[${i}].${key}`, cannotBeSet));
    }
  }
  const target = container.targetContainerName;
  const names = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name);
  if (target && !names.includes(target)) errors.push(notFound(`${field}.targetContainerName`, target));
  return errors;
}

/** A template may have an image that is still to be filled in: ` `. */
function validateImage(image: string | undefined, field: string, ofPod: boolean): FieldError[] {
  if (!image) return [required(field)];
  if (!ofPod || image === image.trim()) return [];
  return [invalid(field, image, 'must not have leading or trailing whitespace')];
}

function validatePorts(ports: readonly Port[], field: string): FieldError[] {
  const names = ports.map((port) => port.name);
  return each(ports, field, (port, at, i) => {
    const again = port.name && names.indexOf(port.name) < i && portName(port.name) === undefined;
    return all(validatePort(port, at), again && [duplicate(`${at}.name`, port.name)]);
  });
}

function validatePort(port: Port, field: string): FieldError[] {
  const wrongPort = port.containerPort ? portNumber(port.containerPort) : undefined;
  const wrongHostPort = port.hostPort ? portNumber(port.hostPort) : undefined;
  return all(
    ruledIfGiven(`${field}.name`, port.name, portName),
    port.containerPort ? [] : [required(`${field}.containerPort`)],
    wrongPort ? [invalid(`${field}.containerPort`, port.containerPort, wrongPort)] : [],
    wrongHostPort ? [invalid(`${field}.hostPort`, port.hostPort, wrongHostPort)] : [],
    oneOf(`${field}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
  );
}

function validateMounts(container: Container, field: string, mountable: VolumesByName): FieldError[] {
  const mounts = container.volumeMounts ?? [];
  const paths = mounts.map((mount) => mount.mountPath ?? '');
  return each(mounts, field, (mount, at, i) => {
    const path = mount.mountPath ?? '';
    return all(
      validateMount(mount, at, mountable),
      paths.indexOf(path) < i && [invalid(`${at}.mountPath`, path, 'must be unique')],
      container.volumeDevices && validateNotDevice(mount, container.volumeDevices, at),
      // Kubernetes names the list for these, not the mount in it.
      mount.subPath && validateLocalPath(mount.subPath, `${field}.subPath`),
      mount.subPathExpr && validateLocalPath(mount.subPathExpr, `${field}.subPathExpr`),
      mount.mountPropagation !== undefined && validatePropagation(mount, container, `${field}.mountPropagation`),
      mount.recursiveReadOnly !== undefined && validateRecursiveReadOnly(mount, `${field}.recursiveReadOnly`),
    );
  });
}

function validateMount(mount: Mount, field: string, mountable: VolumesByName): FieldError[] {
  const name = mount.name ?? '';
  const exclusive = 'subPathExpr and subPath are mutually exclusive';
  return all(
    name === '' && [required(`${field}.name`)],
    !mountable.has(name) && [notFound(`${field}.name`, name)],
    !mount.mountPath && [required(`${field}.mountPath`)],
    mount.subPath && mount.subPathExpr && [invalid(`${field}.subPathExpr`, mount.subPathExpr, exclusive)],
  );
}

function validateNotDevice(
  { name = '', mountPath = '' }: Mount,
  devices: NonNullable<Container['volumeDevices']>,
  field: string,
): FieldError[] {
  const named = devices.some((device) => device.name === name);
  const placed = devices.some((device) => device.devicePath === mountPath);
  const path = 'must not already exist as a path in volumeDevices';
  return all(
    named && [invalid(`${field}.name`, name, 'must not already exist in volumeDevices')],
    placed && [invalid(`${field}.mountPath`, mountPath, path)],
  );
}

/** KEP-3857 */
function validateRecursiveReadOnly(mount: Mount, field: string): FieldError[] {
  const { recursiveReadOnly: asked, mountPropagation: propagation = 'None' } = mount;
  if (asked === 'Disabled') return [];
  if (asked !== 'Enabled' && asked !== 'IfPossible') {
    return oneOf(field, asked, ['Disabled', 'Enabled', 'IfPossible']);
  }
  const alone = 'may only be specified when mountPropagation is None or not specified';
  return all(
    !mount.readOnly && [forbidden(field, 'may only be specified when readOnly is true')],
    propagation !== 'None' && [forbidden(field, alone)],
  );
}

function validatePropagation(mount: Mount, container: Container, field: string): FieldError[] {
  const unknown = oneOf(field, mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None']);
  if (mount.mountPropagation !== 'Bidirectional' || container.securityContext?.privileged) return unknown;
  return [forbidden(field, 'Bidirectional mount propagation is available only to privileged containers')];
}

function validateUniqueNames(spec: PodSpec, field: string): FieldError[] {
  const seen = new Set<string>();
  const validateName = ({ name = '' }: { readonly name?: string }, at: string): FieldError[] => {
    if (seen.has(name)) return [duplicate(`${at}.name`, name)];
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

function validateHostPorts({ containers, initContainers }: PodSpec, field: string): FieldError[] {
  return all(
    usesHostPorts(containers) && validateTakenOnce(containers, `${field}.containers`),
    // These run one after the other, so each may take what another had.
    initContainers?.flatMap((one) => (usesHostPorts([one]) ? validateTakenOnce([one], `${field}.initContainers`) : [])),
  );
}

const usesHostPorts = (containers: readonly Container[] | undefined): boolean =>
  containers?.some(({ ports }) => ports?.some(({ hostPort }) => hostPort)) ?? false;

function validateTakenOnce(containers: readonly Container[], field: string): FieldError[] {
  const taken = new Set<string>();
  return each(containers, field, (container, place) =>
    each(container.ports, `${place}.ports`, (port, at) => {
      if (!port.hostPort) return [];
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (taken.has(key)) return [duplicate(`${at}.hostPort`, key)];
      taken.add(key);
      return [];
    }),
  );
}

/** On the host's network a port is the host's; a template need not say so yet. */
export function validateHostNetworkPorts(spec: PodSpec, field: string, ofPod: boolean): FieldError[] {
  return each(spec.containers, `${field}.containers`, (container, place) =>
    each(container.ports, `${place}.ports`, ({ hostPort = 0, containerPort }, at) => {
      if (hostPort === containerPort || (hostPort === 0 && !ofPod)) return [];
      const detail = 'must match `containerPort` when `hostNetwork` is true';
      return [invalid(`${at}.hostPort`, hostPort, detail)];
    }),
  );
}
