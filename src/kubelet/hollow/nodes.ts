import { hollowLabel } from '../../api/node-labels.ts';
import { nodes } from '../../api/resource.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { Node } from '../../api/types.ts';
import type { IPFamily } from '../../base/cidr.ts';
import { type Client, isAlreadyExists } from '../../client/client.ts';
import { renewLease } from '../lease.ts';
import { architecture, nodeConditions, nodeLabels } from '../node-status.ts';
import { hollowAddress, hollowName, hollowPodCIDR } from './names.ts';

/** What a hollow node pretends to have: room for the pods that people scale to. */
const capacity = { cpu: '32', memory: '256Gi', 'ephemeral-storage': '1Ti', pods: '110' };

/** What all of them have in common. */
export interface HollowNodes {
  /** As their kubelets report it. */
  readonly version: string;
  /** Of the cluster's addresses. */
  readonly families: readonly IPFamily[];
}

/** Registers one node, or finds it registered; it is Ready at once. */
export async function registerHollowNode(
  client: Client,
  index: number,
  { version, families }: HollowNodes,
): Promise<void> {
  const name = hollowName(index);
  const status = hollowStatus(index, { version, families });
  try {
    // Ready from its first moment on, so that nobody taints it in between.
    await client.create(nodes, { ...hollowNode(index, families), status });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await client.patch(nodes, { name }, 'strategic', { status }, 'status');
  }
  await renewLease(client, name);
}

function hollowNode(index: number, families: readonly IPFamily[]): Node {
  const name = hollowName(index);
  const podCIDRs = families.map((family) => hollowPodCIDR(index, family));
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        ...nodeLabels({ hostname: name }),
        [hollowLabel]: 'true',
        'node-role.kubernetes.io/hollow': '',
        'node.kubernetes.io/exclude-from-external-load-balancers': 'true',
      },
    },
    spec: { podCIDR: podCIDRs[0], podCIDRs, taints: [{ key: hollowLabel, value: 'true', effect: 'NoSchedule' }] },
  };
}

function hollowStatus(index: number, { version, families }: HollowNodes): NonNullable<Node['status']> {
  const now = formatTime(new Date());
  return {
    capacity,
    allocatable: capacity,
    addresses: [
      ...families.map((family) => ({ type: 'InternalIP', address: hollowAddress(index, family) })),
      { type: 'Hostname', address: hollowName(index) },
    ],
    conditions: nodeConditions(healthy, undefined, now),
    nodeInfo: {
      kubeletVersion: version,
      containerRuntimeVersion: 'hollow://0',
      osImage: 'hollow: nothing runs here',
      operatingSystem: 'linux',
      architecture: architecture(),
      kernelVersion: '',
      kubeProxyVersion: '',
      machineID: '',
      systemUUID: '',
      bootID: '',
    },
  };
}

const fine = (type: string) => ({ type, status: true, reason: '', message: '' });
const healthy = {
  version: { version: '', runtimeName: 'hollow', runtimeVersion: '0', runtimeApiVersion: 'v1' },
  conditions: [fine('RuntimeReady'), fine('NetworkReady')],
  images: [],
};
