import { hollowLabel } from '../../api/node-labels.ts';
import { nodes, pods } from '../../api/resource.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { Container, ContainerStatus, Pod } from '../../api/types.ts';
import { addressAt, parseCIDR } from '../../base/cidr.ts';
import type { Log } from '../../base/log.ts';
import { type Client, isNotFound } from '../../client/client.ts';
import { type Controller, runController } from '../../client/controller.ts';
import type { InformerFactory } from '../../client/informer.ts';
import { podConditions } from '../pod-conditions.ts';
import { qosClass } from '../resources.ts';
import { isSidecar } from '../sidecar.ts';

/** A Job's pod succeeds after this time. */
const jobMs = 1000;
const workers = 32;
/** Of 256: without its network's address, the node's own and the broadcast address. */
const addressesOfNode = 253;

/** Says of the pods on hollow nodes that they run, that those of Jobs succeeded, and ends those that shall go. */
export function runHollowPods(options: { client: Client; informers: InformerFactory; log: Log }): Controller {
  const { client, informers, log } = options;
  const allNodes = informers.informer(nodes);
  const allPods = informers.informer(pods);
  const addresses = new Addresses();

  const controller = runController({
    name: 'hollow-pods',
    log,
    informers: [allNodes, allPods],
    workers,
    async sync(key) {
      const pod = allPods.get(key);
      const node = allNodes.get(pod?.spec?.nodeName ?? '');
      if (!pod || !node?.metadata?.labels?.[hollowLabel]) return;
      const { name = '', namespace, uid = '', deletionTimestamp } = pod.metadata ?? {};
      if (deletionTimestamp !== undefined) {
        await unlessGone(client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } }));
        return;
      }
      const phase = nextPhase(pod);
      if (phase === undefined) return;
      const hostIPs = (node.status?.addresses ?? []).flatMap(({ type, address }) =>
        type === 'InternalIP' ? { ip: address } : [],
      );
      const podIPs = pod.spec?.hostNetwork
        ? hostIPs
        : addresses.of(pod, node.spec?.podCIDRs ?? []).map((ip) => ({ ip }));
      const patch = { metadata: { uid }, status: hollowStatus(pod, phase, hostIPs, podIPs) };
      await unlessGone(client.patch(pods, { name, namespace }, 'strategic', patch, 'status'));
      if (isOfJob(pod) && phase === 'Running') controller.enqueueAfter(key, jobMs);
    },
  });

  allPods.onChange((pod, old) => {
    if (!pod) addresses.free(old?.metadata?.uid ?? '');
    else if (pod.spec?.nodeName) controller.enqueue(`${pod.metadata?.namespace}/${pod.metadata?.name}`);
  });
  return controller;
}

async function unlessGone(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** What the pod is to be next; undefined where it stays what it is. */
function nextPhase({ status, ...pod }: Pod): 'Running' | 'Succeeded' | undefined {
  if (status?.phase === undefined || status.phase === 'Pending') return 'Running';
  if (status.phase !== 'Running' || !isOfJob(pod)) return undefined;
  return Date.now() - Date.parse(status.startTime ?? '') >= jobMs ? 'Succeeded' : undefined;
}

function isOfJob({ metadata }: Pod): boolean {
  return metadata?.ownerReferences?.some(({ kind, controller }) => controller && kind === 'Job') ?? false;
}

type Addressed = readonly { readonly ip: string }[];

function hollowStatus(pod: Pod, phase: 'Running' | 'Succeeded', hostIPs: Addressed, podIPs: Addressed) {
  const now = formatTime(new Date());
  const startTime = pod.status?.startTime ?? now;
  const status = (container: Container) =>
    containerStatus(pod, container, phase === 'Running', { startedAt: startTime, finishedAt: now });
  const all = pod.spec?.initContainers ?? [];
  const init = all.map((container) =>
    isSidecar(container)
      ? status(container)
      : containerStatus(pod, container, false, { startedAt: startTime, finishedAt: startTime }),
  );
  const main = (pod.spec?.containers ?? []).map(status);
  return {
    phase,
    conditions: podConditions({ pod, phase, init, main, sandboxReady: phase === 'Running', now }),
    hostIP: hostIPs[0]?.ip,
    hostIPs,
    podIP: podIPs[0]?.ip,
    podIPs,
    startTime,
    qosClass: qosClass(pod),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: main,
  };
}

function containerStatus(
  pod: Pod,
  { name, image = '' }: Container,
  running: boolean,
  { startedAt, finishedAt }: { startedAt: string; finishedAt: string },
): ContainerStatus {
  const containerID = `hollow://${pod.metadata?.uid}/${name}`;
  return {
    name,
    image,
    imageID: '',
    containerID,
    ready: true,
    started: running,
    restartCount: 0,
    state: running
      ? { running: { startedAt } }
      : { terminated: { exitCode: 0, reason: 'Completed', startedAt, finishedAt, containerID } },
  };
}

/** Pods' addresses out of their nodes' ranges. A pod that has some keeps them. */
class Addresses {
  readonly #byPod = new Map<string, readonly string[]>();
  readonly #taken = new Set<string>();
  /** Where the search of a range goes on: an address that is free again is the last to be given out again. */
  readonly #next = new Map<string, number>();

  of(pod: Pod, podCIDRs: readonly string[]): readonly string[] {
    const uid = pod.metadata?.uid ?? '';
    const known = pod.status?.podIPs?.map(({ ip }) => ip) ?? this.#byPod.get(uid);
    const addresses = known ?? podCIDRs.map((podCIDR) => this.#firstFree(podCIDR));
    this.#byPod.set(uid, addresses);
    for (const address of addresses) this.#taken.add(address);
    return addresses;
  }

  free(uid: string): void {
    for (const address of this.#byPod.get(uid) ?? []) this.#taken.delete(address);
    this.#byPod.delete(uid);
  }

  #firstFree(podCIDR: string): string {
    const range = parseCIDR(podCIDR);
    const from = this.#next.get(podCIDR) ?? 0;
    for (let tried = 0; tried < addressesOfNode; tried++) {
      const index = (from + tried) % addressesOfNode;
      const address = addressAt(range, index + 2);
      if (this.#taken.has(address)) continue;
      this.#next.set(podCIDR, index + 1);
      return address;
    }
    throw new Error(`${podCIDR} has no address left`);
  }
}
