import { compileLabelSelector } from '../../api/selectors.ts';
import type { Labels } from '../../api/types.ts';
import type { PortPlan } from '../ingress/plan.ts';
import { type AuthorityObjects, type Pem, readAuthorities } from './authorities.ts';
import { type CertificateObjects, certificateOf, type SecretCertificate } from './certificates.ts';
import type { Problem } from './conditions.ts';
import { type AllowedNamespaces, type Gateway, gatewayGroup, type Listener, type RouteGroupKind } from './objects.ts';

/** Who has listeners: a Gateway, or a ListenerSet of one. */
export interface ListenerOwner {
  readonly kind: 'Gateway' | 'ListenerSet';
  readonly namespace: string;
  readonly name: string;
}

/** A listener, and what is wrong with it. */
export interface PlannedListener {
  readonly owner: ListenerOwner;
  readonly listener: Listener;
  /** Lower case; `''`: any. */
  readonly host: string;
  readonly kinds: readonly RouteGroupKind[];
  readonly certificates: readonly SecretCertificate[];
  /** Which clients it lets in, where not all. */
  readonly clients?: ListenerClients;
  /** Why it is not accepted; `isConflict`: because of another one. */
  readonly refused?: Problem & { readonly isConflict?: boolean };
  /** What it refers to and cannot have; it may serve without it. */
  readonly unresolved?: Problem;
}

export interface ListenerClients {
  readonly authorities: Pem;
  /** Who has no certificate, or not the right one, is let in too. */
  readonly insecure: boolean;
}

export type ListenerObjects = AuthorityObjects & CertificateObjects;

/** Kinds of routes by protocol: what is not here is not served. */
const kindsOf: Readonly<Record<string, readonly string[]>> = {
  HTTP: ['HTTPRoute', 'GRPCRoute'],
  HTTPS: ['HTTPRoute', 'GRPCRoute'],
  TLS: ['TLSRoute'],
};

/** Listeners of one owner, for a Gateway; `earlier` are those of the Gateway that come before them. */
export function planListeners(
  gateway: Gateway,
  owner: ListenerOwner,
  listeners: readonly Listener[],
  earlier: readonly PlannedListener[],
  objects: ListenerObjects,
): PlannedListener[] {
  const others = [...earlier.filter(({ refused }) => !refused).map(({ listener }) => listener), ...listeners];
  return listeners.map((listener) => {
    const { kinds, unknown } = routeKinds(listener);
    const { clients, refused: noClients, unresolved } = clientsOf(listener, gateway, objects);
    const { certificates, problem } = certificatesOf(listener, owner, objects);
    const wrongKinds =
      unknown.length > 0
        ? { reason: 'InvalidRouteKinds', message: `no routes of the kind ${unknown.join(', ')} are served` }
        : undefined;
    return {
      owner,
      listener,
      host: hostOf(listener),
      kinds,
      certificates,
      clients,
      refused: conflict(listener, others) ?? unsupported(listener) ?? noClients,
      unresolved: wrongKinds ?? problem ?? unresolved,
    };
  });
}

/** Requests to it are answered: it is accepted, and has a certificate where it needs one. */
export function serves({ refused, listener, certificates }: PlannedListener): boolean {
  return !refused && (!endsTLS(listener) || certificates.length > 0);
}

/** What a port speaks: listeners of one port speak the same. */
export function protocolOf({ protocol, tls }: Listener): PortPlan['protocol'] {
  if (protocol === 'HTTP') return 'http';
  if (protocol === 'HTTPS') return 'https';
  return tls?.mode === 'Passthrough' ? 'passthrough' : 'tls';
}

function endsTLS(listener: Listener): boolean {
  return ['https', 'tls'].includes(protocolOf(listener));
}

function hostOf({ hostname = '' }: Listener): string {
  return hostname.toLowerCase();
}

function unsupported({ protocol, tls }: Listener): Problem | undefined {
  if (!kindsOf[protocol]) return { reason: 'UnsupportedProtocol', message: `the protocol ${protocol} is not served` };
  if (protocol === 'HTTPS' && tls?.mode === 'Passthrough') {
    return { reason: 'UnsupportedValue', message: 'TLS of HTTPS ends here: the mode Passthrough is not served' };
  }
  return undefined;
}

/** Two listeners of a port must be told apart by their hosts, and speak one protocol. What is not served is in nobody's way. */
function conflict(listener: Listener, all: readonly Listener[]): (Problem & { isConflict: true }) | undefined {
  const { port, protocol } = listener;
  const served = all.filter((each) => each !== listener && each.port === port && kindsOf[each.protocol]);
  const others = protocol === 'UDP' ? [] : served;
  const spoken = (each: Listener) => (each.protocol === 'TLS' ? protocolOf(each) : each.protocol);
  const otherProtocol = others.find((each) => spoken(each) !== spoken(listener));
  if (otherProtocol) {
    const message = `listener ${otherProtocol.name} speaks ${spoken(otherProtocol)} at port ${port}`;
    return { reason: 'ProtocolConflict', message, isConflict: true };
  }
  const sameHost = others.find((each) => hostOf(each) === hostOf(listener));
  if (!sameHost) return undefined;
  const message = `listener ${sameHost.name} has the same host at port ${port}`;
  return { reason: 'HostnameConflict', message, isConflict: true };
}

function routeKinds({ protocol, allowedRoutes }: Listener): { kinds: RouteGroupKind[]; unknown: string[] } {
  const known = kindsOf[protocol] ?? [];
  const asked = allowedRoutes?.kinds?.length ? allowedRoutes.kinds : known.map((kind) => ({ kind }));
  const isKnown = ({ group = gatewayGroup, kind }: RouteGroupKind) => group === gatewayGroup && known.includes(kind);
  return {
    kinds: asked.filter(isKnown).map(({ kind }) => ({ group: gatewayGroup, kind })),
    unknown: asked.filter((each) => !isKnown(each)).map(({ kind }) => kind),
  };
}

function certificatesOf(
  listener: Listener,
  owner: ListenerOwner,
  objects: ListenerObjects,
): { certificates: SecretCertificate[]; problem?: Problem } {
  if (!endsTLS(listener)) return { certificates: [] };
  const read = (listener.tls?.certificateRefs ?? []).map((ref) => certificateOf(ref, owner, objects));
  return {
    certificates: read.filter((each) => 'pem' in each),
    problem: read.find((each) => 'reason' in each),
  };
}

/** Clients of HTTPS may have to show a certificate, of one of the Gateway's authorities. */
function clientsOf(
  { protocol, port }: Listener,
  { metadata, spec }: Gateway,
  objects: AuthorityObjects,
): { clients?: ListenerClients; refused?: Problem; unresolved?: Problem } {
  const { frontend } = spec.tls ?? {};
  const own = frontend?.perPort?.find((each) => each.port === port);
  const validation = (own ? own.tls : frontend?.default)?.validation;
  if (!validation || protocol !== 'HTTPS') return {};
  const from = { kind: 'Gateway', namespace: metadata?.namespace ?? '' };
  const refs = validation.caCertificateRefs;
  const { authorities, unresolved } = readAuthorities(refs, from, 'InvalidCACertificateKind', objects);
  if (!authorities) {
    return { refused: { reason: 'NoValidCACertificate', message: unresolved?.message ?? '' }, unresolved };
  }
  return { clients: { authorities, insecure: validation.mode === 'AllowInsecureFallback' }, unresolved };
}

/** Whether a listener admits routes of this kind from this namespace, whose labels are given. */
export function admits(
  { owner, listener, kinds }: PlannedListener,
  route: { readonly kind: string; readonly namespace: string; readonly namespaceLabels: Labels | undefined },
): boolean {
  return (
    kinds.some(({ kind }) => kind === route.kind) &&
    admitsNamespace({ from: 'Same', ...listener.allowedRoutes?.namespaces }, owner.namespace, route)
  );
}

/** `own` is where the one is who admits. */
export function admitsNamespace(
  { from, selector }: AllowedNamespaces,
  own: string,
  { namespace, namespaceLabels }: { readonly namespace: string; readonly namespaceLabels: Labels | undefined },
): boolean {
  if (from === 'All') return true;
  if (from === 'Selector') return compileLabelSelector(selector).matches(namespaceLabels);
  return from === 'Same' && namespace === own;
}
