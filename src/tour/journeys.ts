import { tourNamespace } from './stage.ts';

/** One packet's way, and what there is to see in it. */
export interface Journey {
  readonly number: number;
  readonly title: string;
  /** As `knit trace` takes them. `ADDRESS` in `to` is filled in: see {@link Journey.address}. */
  readonly from: string;
  readonly to: string;
  /** Whose address stands in `to`: that of the first outside client, or the Ingress proxy's. */
  readonly address?: 'client' | 'ingress';
  /** Runs on a small cluster of its own, whose pods are reached by VXLAN. */
  readonly overlay?: true;
  /** Chance decides whether there is a second node on the way; shown is a packet that meets one. */
  readonly secondHop?: true;
  readonly see: readonly [string, string, string];
}

const pod = (name: string) => `pod/${tourNamespace}/${name}`;
const service = (name: string) => `service/${tourNamespace}/${name}`;

/** The ten journeys of a packet, in the order of the talk that they come from. */
export const journeys: readonly Journey[] = [
  {
    number: 1,
    title: 'container to container in one pod',
    from: `${pod('pair')}/one`,
    to: 'localhost:8081',
    see: [
      'The containers of a pod share one network: one is localhost for the other.',
      'The packet never leaves the interface lo.',
      'This is why two containers of a pod cannot listen on the same port.',
    ],
  },
  {
    number: 2,
    title: 'pod to pod on one node',
    from: pod('cart'),
    to: `${pod('near')}:8080`,
    see: [
      'Every pod has a link of its own to its node, and the node routes between them.',
      'No address changes: the server sees the other pod as it is.',
      'There is no bridge: each pod is a route.',
    ],
  },
  {
    number: 3,
    title: 'pod to pod on another node, by routes',
    from: pod('cart'),
    to: `${pod('web-1')}:8080`,
    see: [
      'Each node has a range of pod addresses, and the network between nodes routes it there.',
      'Again no address changes: every pod reaches every pod without NAT.',
      'In a cloud the route controller tells the network these routes; here it tells the fabric.',
    ],
  },
  {
    number: 4,
    title: 'pod to pod on another node, through an overlay',
    from: pod('cart'),
    to: `${pod('web-1')}:8080`,
    overlay: true,
    see: [
      'Here the network knows nodes only: a pod’s packet travels inside one from node to node (VXLAN).',
      'Inside, nothing changes: the pods see each other’s addresses as before.',
      'The wrapping takes room in each packet, so pods have a smaller MTU.',
    ],
  },
  {
    number: 5,
    title: 'pod to the virtual address of a Service',
    from: pod('cart'),
    to: service('web'),
    see: [
      'No interface has the virtual address: the sender’s own node replaces it by that of an endpoint (DNAT).',
      'The rule that does it speaks for the Service, and kube-proxy keeps it there.',
      'The reply gets the virtual address back on the same node, so that the sender knows it.',
    ],
  },
  {
    number: 6,
    title: 'pod to a Service by its DNS name',
    from: pod('cart'),
    to: `web.${tourNamespace}`,
    see: [
      'The name is asked below each entry of the search path, until one is known.',
      'The question itself goes to a Service: kube-dns has a virtual address like any other.',
      'The answer is the Service’s virtual address; what follows is journey 5.',
    ],
  },
  {
    number: 7,
    title: 'pod to somebody outside the cluster',
    from: pod('cart'),
    to: 'ADDRESS:8080',
    address: 'client',
    see: [
      'Outside nobody knows pods’ addresses: the node puts its own in their place (masquerade).',
      'Over IPv4 the fabric then gives the node its outside address, 1:1, as a cloud does.',
      'A packet that left under the pod’s address would be dropped by the fabric.',
    ],
  },
  {
    number: 8,
    title: 'outside, by a load balancer, to any node',
    from: 'client/alice',
    to: service('balanced'),
    secondHop: true,
    see: [
      'The load balancer chooses a node by the flow’s hash and forwards the packet as it is.',
      'The node may lead it on to a pod elsewhere: a second hop, for which it puts its own address as the source.',
      'The load is even, and the server does not see who the client is.',
    ],
  },
  {
    number: 9,
    title: 'outside, by a load balancer, to a node that has a pod',
    from: 'client/alice',
    to: service('kept'),
    see: [
      'externalTrafficPolicy: Local: only nodes with a ready pod are in the group, by their health check.',
      'There is no second hop and no SNAT: the server sees the client.',
      'The price: nodes share the load evenly, their pods do not. See knit balance.',
    ],
  },
  {
    number: 10,
    title: 'outside, by an Ingress, through a node port',
    from: 'client/alice',
    to: 'ADDRESS:80',
    address: 'ingress',
    see: [
      'An L7 proxy ends the client’s connection, reads the request, and makes a connection of its own.',
      'It goes to a node port, and the node leads it to a pod as any node port does.',
      'The client’s address is in X-Forwarded-For; straight to pods (container-native) spares the second hop.',
    ],
  },
];
