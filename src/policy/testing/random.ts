import type { LabelSelector, NetworkPolicy } from '../../api/types.ts';
import type { Packet } from '../verdict.ts';
import { policy } from './objects.ts';
import { ADDRESS, PORTS } from './policy-lab.ts';

type Spec = NonNullable<NetworkPolicy['spec']>;
type Peers = NonNullable<NonNullable<Spec['ingress']>[number]['from']>;
type Ports = NonNullable<NonNullable<Spec['ingress']>[number]['ports']>;

/** The same numbers from the same seed, so that a failure can be looked at again (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** From 0 to `below`, without it. */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  of<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.int(choices.length)] ?? choices[0];
  }

  /** None, one or two. */
  few<T>(make: () => T): T[] {
    return Array.from({ length: this.int(3) }, make);
  }
}

/** A policy about the lab's pods that may say anything which the API allows. */
export function randomPolicy(random: Random, name: string): NetworkPolicy {
  const rules = () => random.few(() => ({ peers: random.few(() => randomPeer(random)), ports: randomPorts(random) }));
  return policy(`shop/${name}`, {
    podSelector: random.of<LabelSelector>([
      {},
      { matchLabels: { app: 'a' } },
      { matchLabels: { app: 'b' } },
      { matchLabels: { app: 'none' } },
    ]),
    policyTypes: random.of([['Ingress'], ['Egress'], ['Ingress', 'Egress']]),
    ingress: rules().map(({ peers, ports }) => ({ from: peers, ports })),
    egress: rules().map(({ peers, ports }) => ({ to: peers, ports })),
  });
}

function randomPeer(random: Random): Peers[number] {
  return random.of<() => Peers[number]>([
    () => ({
      podSelector: random.of<LabelSelector>([{}, { matchLabels: { app: 'a' } }, { matchLabels: { app: 'b' } }]),
    }),
    () => ({
      namespaceSelector: random.of<LabelSelector>([
        {},
        { matchLabels: { team: 'ops' } },
        { matchLabels: { team: 'shop' } },
      ]),
    }),
    () => ({
      namespaceSelector: {},
      podSelector: { matchExpressions: [{ key: 'app', operator: random.of(['In', 'NotIn']), values: ['a', 'c'] }] },
    }),
    () => ({
      ipBlock: { cidr: '0.0.0.0/0', except: random.of([[], ['10.244.1.0/24'], ['10.0.0.0/8', '198.51.100.7/32']]) },
    }),
    () => ({ ipBlock: { cidr: '10.244.0.0/16', except: random.of([[], ['10.244.2.0/24'], ['10.244.1.2/31']]) } }),
    () => ({ ipBlock: { cidr: '198.51.100.0/24' } }),
  ])();
}

function randomPorts(random: Random): Ports {
  return random.few(() => {
    const protocol = random.of(['TCP', 'UDP']);
    return random.of<Ports[number]>([
      { protocol },
      { protocol, port: random.of(PORTS) },
      { protocol, port: 8080, endPort: random.of([8080, 8081, 8999]) },
      { protocol, port: 8081, endPort: 9100 },
      { protocol, port: 'web' },
    ]);
  });
}

export type Place = keyof typeof ADDRESS;

/** Between two of the lab's places, at least one of them a pod of its first node. */
export function randomPacket(random: Random): Packet & { readonly from: Place } {
  const local = random.of<Place>(['a', 'b']);
  const other = random.of<Place>(['a', 'b', 'c', 'client']);
  const [from, to] = random.int(2) === 0 ? [local, other] : [other, local];
  const protocol = random.of<Packet['protocol']>(['tcp', 'udp']);
  return { from, protocol, source: ADDRESS[from], destination: ADDRESS[to], port: random.of(PORTS) };
}
