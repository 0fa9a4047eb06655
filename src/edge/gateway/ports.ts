import { namesOf } from '../ingress/certificates.ts';
import type { CertificatePlan, PortPlan } from '../ingress/plan.ts';
import type { AttachedRoute } from './attachment.ts';
import type { Pem } from './authorities.ts';
import type { Problem } from './conditions.ts';
import { moreSpecificFirst } from './hostnames.ts';
import { type PlannedListener, protocolOf, serves } from './listeners.ts';
import type { Gateway, ListenerSet } from './objects.ts';
import { type Candidate, settleHosts } from './precedence.ts';
import { refusalOf } from './verdicts.ts';

/** A ListenerSet of a Gateway. */
export interface PlannedSet {
  readonly set: ListenerSet;
  readonly listeners: readonly PlannedListener[];
  /** Why the Gateway does not take it. */
  readonly refused?: Problem;
}

/** A Gateway with its listeners, and what came to be attached to them. */
export interface PlannedGateway {
  readonly gateway: Gateway;
  readonly addresses: readonly string[];
  /** What servers are shown that ask for a certificate, and why there is none where there should be one. */
  readonly shown?: Pem | Problem;
  /** All: its own, then those of its sets. */
  readonly listeners: PlannedListener[];
  readonly sets: PlannedSet[];
  readonly attached: Map<PlannedListener, AttachedRoute[]>;
  readonly candidates: Map<PlannedListener, Candidate[]>;
}

/** By their numbers; what is refused, or is reached nowhere, has none. */
function servedPorts({ gateway, addresses, listeners }: PlannedGateway): Map<number, PlannedListener[]> {
  if (refusalOf(gateway) || addresses.length === 0) return new Map();
  return Map.groupBy(listeners.filter(serves), ({ listener }) => listener.port);
}

export function portsOf(planned: PlannedGateway): PortPlan[] {
  return [...servedPorts(planned)].map(([port, listeners]) => {
    const candidates = listeners.flatMap((each) => planned.candidates.get(each) ?? []);
    return {
      name: portName(planned.gateway, port),
      addresses: planned.addresses,
      port,
      protocol: listeners[0] ? protocolOf(listeners[0].listener) : 'http',
      clients: clientsOf(listeners),
      listeners: listeners.map(({ host }) => host).toSorted(moreSpecificFirst),
      hosts: settleHosts(listeners, candidates),
    };
  });
}

/** What holds for one listener of a port holds for all. */
function clientsOf(listeners: readonly PlannedListener[]): PortPlan['clients'] {
  const clients = listeners[0]?.clients;
  return clients && { authority: clients.authorities.name, insecure: clients.insecure };
}

/** Its clients' authorities, and what it shows to servers. */
export function pemsOf({ listeners, shown }: PlannedGateway): Pem[] {
  const authorities = listeners.flatMap(({ clients }) => clients?.authorities ?? []);
  return shown && 'pem' in shown ? [shown, ...authorities] : authorities;
}

/** `shop_web_443`. No namespace or name has an underscore. */
export function portName({ metadata }: Gateway, port: number): string {
  return `${metadata?.namespace}_${metadata?.name}_${port}`;
}

/** `namespace/name` of the Gateway that a port is of. */
export function gatewayOfPort({ name: port }: PortPlan): string {
  const [namespace, name] = port.split('_');
  return `${namespace}/${name}`;
}

/** Each port has its certificates to itself. The first one is that of the listener for the most hosts. */
export function certificatesOf(planned: PlannedGateway): CertificatePlan[] {
  return [...servedPorts(planned)].flatMap(([number, listeners]) => {
    const port = portName(planned.gateway, number);
    const wanted = listeners
      .toSorted((a, b) => moreSpecificFirst(b.host, a.host))
      .flatMap(({ host, certificates }) => certificates.map((each) => ({ ...each, host })));
    return [...Map.groupBy(wanted, ({ secret }) => secret)].flatMap(([secret, uses]) => {
      const pem = uses[0]?.pem ?? '';
      const hosts = new Set(uses.flatMap(({ host }) => (host === '' ? namesOf(pem) : [host])));
      return { name: `${port}.${secret.replace('/', '_')}`, pem, hosts: [...hosts], port };
    });
  });
}
