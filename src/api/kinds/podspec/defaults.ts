import type { Container, PodSpec, PodTemplateSpec, Probe, Volume } from '../../types.ts';
import { setSourceDefaults } from './volume-defaults.ts';

// What Kubernetes fills into a pod's specification (pkg/apis/core/v1/defaults.go). All of it may run twice.

/** Permissions of files from config maps, secrets and the like: 0644. */
const fileMode = 0o644;

type EnvVar = NonNullable<Container['env']>[number];
type LifecycleHandler = NonNullable<NonNullable<Container['lifecycle']>['postStart']>;
type ClaimTemplate = NonNullable<NonNullable<Volume['ephemeral']>['volumeClaimTemplate']>;
type Projection = NonNullable<NonNullable<Volume['projected']>['sources']>[number];

/** Defaults of a pod template: those of the pod's specification that templates have as well. */
export function setTemplateDefaults(template: PodTemplateSpec | undefined): void {
  if (template?.spec) setPodSpecDefaults(template.spec);
}

export function setPodSpecDefaults(spec: PodSpec): void {
  spec.containers ??= [];
  spec.restartPolicy ||= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.securityContext ??= {};
  spec.schedulerName ||= 'default-scheduler';
  setServiceAccount(spec);
  for (const volume of spec.volumes ?? []) setVolumeDefaults(volume);
  for (const container of spec.initContainers ?? []) setContainerDefaults(container);
  for (const container of spec.containers ?? []) setContainerDefaults(container);
  for (const container of spec.ephemeralContainers ?? []) setContainerDefaults(container);
}

/** The deprecated `serviceAccount` always says what `serviceAccountName` says. */
function setServiceAccount(spec: PodSpec): void {
  spec.serviceAccountName ||= spec.serviceAccount;
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else delete spec.serviceAccountName;
}

function setContainerDefaults(container: Container): void {
  container.imagePullPolicy ||= pullPolicyFor(container.image ?? '');
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  container.resources ??= {};
  for (const port of container.ports ?? []) port.protocol ||= 'TCP';
  for (const env of container.env ?? []) setEnvDefaults(env);
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe) setProbeDefaults(probe);
  }
  setHandlerDefaults(container.lifecycle?.postStart);
  setHandlerDefaults(container.lifecycle?.preStop);
}

/** An image without a tag, or with `latest`, may change under its name. A digest or another tag may not. */
function pullPolicyFor(image: string): 'Always' | 'IfNotPresent' {
  if (image.includes('@')) return 'IfNotPresent';
  const tag = image.slice(image.lastIndexOf('/') + 1).split(':')[1];
  return tag === undefined || tag === '' || tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function setEnvDefaults(env: EnvVar): void {
  if (env.valueFrom?.fieldRef) env.valueFrom.fieldRef.apiVersion ||= 'v1';
}

function setProbeDefaults(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.grpc) probe.grpc.service ??= '';
  setHandlerDefaults(probe);
}

function setHandlerDefaults(handler: Probe | LifecycleHandler | undefined): void {
  if (!handler?.httpGet) return;
  handler.httpGet.path ||= '/';
  handler.httpGet.scheme ||= 'HTTP';
}

function setVolumeDefaults(volume: Volume): void {
  const hasSource = Object.entries(volume).some(([key, value]) => key !== 'name' && value);
  if (!hasSource) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= fileMode;
  if (volume.configMap) volume.configMap.defaultMode ??= fileMode;
  if (volume.hostPath) volume.hostPath.type ??= '';
  setSourceDefaults(volume);
  if (volume.image) volume.image.pullPolicy ||= pullPolicyFor(volume.image.reference ?? '');
  setClaimTemplateDefaults(volume.ephemeral?.volumeClaimTemplate);
  setDownwardDefaults(volume.downwardAPI);
  if (!volume.projected) return;
  volume.projected.defaultMode ??= fileMode;
  for (const source of volume.projected.sources ?? []) setProjectionDefaults(source);
}

function setClaimTemplateDefaults(template: ClaimTemplate | undefined): void {
  if (!template) return;
  template.spec ??= {};
  template.spec.volumeMode ??= 'Filesystem';
}

function setDownwardDefaults(volume: Volume['downwardAPI']): void {
  if (!volume) return;
  volume.defaultMode ??= fileMode;
  for (const item of volume.items ?? []) if (item.fieldRef) item.fieldRef.apiVersion ||= 'v1';
}

function setProjectionDefaults(source: Projection): void {
  if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600;
  for (const item of source.downwardAPI?.items ?? []) if (item.fieldRef) item.fieldRef.apiVersion ||= 'v1';
}

/** What is only asked as a limit is asked as a request too. Pods have this, templates do not. */
export function setRequestsFromLimits(spec: PodSpec): void {
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const { resources } = container;
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests };
  }
}

/** On the host's network a port is the host's. Pods have this, templates do not. */
export function setHostPorts(spec: PodSpec): void {
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
}
