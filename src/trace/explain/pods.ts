import type { ContainerStatus, Pod } from '../../api/types.ts';
import type { FaultCode } from './catalogue.ts';
import { type Facts, isOver, keyOf } from './facts.ts';
import type { Finding, Report } from './model.ts';
import { checkNode } from './nodes.ts';

export const podText = (pod: Pod): string => `pod ${keyOf(pod)}`;

/** Why a pod gets no packets, as a person would find out: from the node, to its containers, to its readiness. */
export async function checkPod(report: Report, facts: Facts, pod: Pod, partial = false): Promise<Finding | undefined> {
  const node = pod.spec?.nodeName ? await facts.node(pod.spec.nodeName) : undefined;
  if (node && !isOver(pod.status?.phase)) {
    const found = checkNode(report, node, partial);
    if (found) return found;
  }
  const trouble = troubleOf(pod);
  if (!trouble) return undefined;
  const { code, message, evidence = [] } = trouble;
  return report.fail('pod', code, podText(pod), message, { evidence, partial });
}

interface Trouble {
  readonly code: FaultCode;
  readonly message: string;
  readonly evidence?: readonly string[];
}

/** `undefined` for a pod that is ready. */
export function troubleOf(pod: Pod): Trouble | undefined {
  const { phase } = pod.status ?? {};
  const name = podText(pod);
  if (pod.metadata?.deletionTimestamp !== undefined)
    return { code: 'POD_TERMINATING', message: `${name} is being deleted since ${pod.metadata.deletionTimestamp}` };
  if (isOver(phase)) return { code: 'POD_ENDED', message: `${name} has ended: ${pod.status?.reason ?? phase}` };
  return unscheduled(pod) ?? stuckInit(pod) ?? stuckContainer(pod) ?? notReady(pod);
}

const conditionOf = (pod: Pod, type: string) => pod.status?.conditions?.find((each) => each.type === type);

function unscheduled(pod: Pod): Trouble | undefined {
  const condition = conditionOf(pod, 'PodScheduled');
  if (pod.spec?.nodeName || condition?.status !== 'False') return undefined;
  const { message = '' } = condition;
  const code = message.includes("didn't have free ports") ? 'POD_HOST_PORT_TAKEN' : 'POD_UNSCHEDULABLE';
  return { code, message: `${podText(pod)} is on no node`, evidence: [message] };
}

function stuckInit(pod: Pod): Trouble | undefined {
  const sidecars = new Set(
    (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  );
  const stuck = (pod.status?.initContainerStatuses ?? []).find(
    ({ name, ready, state }) => !sidecars.has(name) && !ready && (state?.terminated?.exitCode ?? 1) !== 0,
  );
  if (!stuck || conditionOf(pod, 'Initialized')?.status !== 'False') return undefined;
  const image = imageTrouble(pod, stuck) ?? configTrouble(pod, stuck);
  if (image) return image;
  const state = stuck.state?.waiting?.reason ?? (stuck.state?.running ? 'Running' : 'Error');
  const message = `init container ${stuck.name} of ${podText(pod)} has not come to its end`;
  return { code: 'POD_INIT_STUCK', message, evidence: [`state: ${state}, restarts: ${stuck.restartCount}`] };
}

function stuckContainer(pod: Pod): Trouble | undefined {
  for (const status of pod.status?.containerStatuses ?? []) {
    const found = imageTrouble(pod, status) ?? configTrouble(pod, status) ?? crashTrouble(pod, status);
    if (found) return found;
  }
  return undefined;
}

function imageTrouble(pod: Pod, { name, state, image }: ContainerStatus): Trouble | undefined {
  const { reason = '', message = '' } = state?.waiting ?? {};
  if (!/^(ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName)$/.test(reason)) return undefined;
  return {
    code: 'POD_IMAGE_PULL',
    message: `the image of container ${name} of ${podText(pod)} cannot be pulled: ${image}`,
    evidence: [`${reason}: ${message}`],
  };
}

function configTrouble(pod: Pod, { name, state }: ContainerStatus): Trouble | undefined {
  const { reason, message = '' } = state?.waiting ?? {};
  if (reason !== 'CreateContainerConfigError') return undefined;
  return {
    code: 'POD_CONFIG_MISSING',
    message: `container ${name} of ${podText(pod)} needs what is not there`,
    evidence: [message],
  };
}

function crashTrouble(pod: Pod, { name, state, lastState, restartCount }: ContainerStatus): Trouble | undefined {
  const last = state?.terminated ?? lastState?.terminated;
  const crashes = state?.waiting?.reason === 'CrashLoopBackOff' || state?.terminated !== undefined;
  if (!crashes || !last) return undefined;
  const evidence = [`exit code ${last.exitCode} (${last.reason}), ${restartCount} restarts`];
  const of = `container ${name} of ${podText(pod)}`;
  if (last.reason === 'OOMKilled') return { code: 'POD_OOM_KILLED', message: `${of} was out of memory`, evidence };
  return { code: 'POD_CRASH_LOOP', message: `${of} ends again and again`, evidence };
}

function notReady(pod: Pod): Trouble | undefined {
  const ready = conditionOf(pod, 'Ready');
  if (ready?.status === 'True') return undefined;
  if (conditionOf(pod, 'ContainersReady')?.status === 'True') {
    const gates = (pod.spec?.readinessGates ?? [])
      .map(({ conditionType }) => conditionType)
      .filter((type) => conditionOf(pod, type)?.status !== 'True');
    const message = `${podText(pod)} waits for ${gates.join(', ')}`;
    return { code: 'POD_READINESS_GATE', message, evidence: [ready?.message ?? ''] };
  }
  const unready = (pod.status?.containerStatuses ?? []).filter((each) => !each.ready && each.state?.running);
  const probed = unready.filter(({ name }) =>
    pod.spec?.containers.some((each) => each.name === name && (each.readinessProbe ?? each.startupProbe)),
  );
  if (probed.length > 0) {
    const names = probed.map(({ name }) => name).join(', ');
    return {
      code: 'POD_NOT_READY',
      message: `${podText(pod)} runs and is not ready: the probe of ${names} fails`,
      evidence: probed.map(({ name }) => probeText(pod, name)),
    };
  }
  const waiting = (pod.status?.containerStatuses ?? []).map(({ state }) => state?.waiting?.reason).filter(Boolean);
  const evidence = [`${pod.status?.phase ?? 'Pending'}${waiting.length > 0 ? `: ${waiting.join(', ')}` : ''}`];
  return { code: 'POD_STARTING', message: `${podText(pod)} is being started`, evidence };
}

function probeText(pod: Pod, container: string): string {
  const spec = pod.spec?.containers.find(({ name }) => name === container);
  const probe = spec?.readinessProbe ?? spec?.startupProbe;
  if (probe?.httpGet) return `probe: HTTP GET ${probe.httpGet.path ?? '/'} at port ${probe.httpGet.port}`;
  if (probe?.tcpSocket) return `probe: TCP connection to port ${probe.tcpSocket.port}`;
  if (probe?.exec) return `probe: ${(probe.exec.command ?? []).join(' ')}`;
  return `probe: gRPC at port ${probe?.grpc?.port}`;
}
