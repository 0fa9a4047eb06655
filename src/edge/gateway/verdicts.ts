import { addressProblem, unsupportedAddress } from './addresses.ts';
import { type Problem, unless, type Verdict, verdict } from './conditions.ts';
import { type PlannedListener, serves } from './listeners.ts';
import type { Gateway, ListenerSet, RouteGroupKind } from './objects.ts';
import type { PlannedGateway, PlannedSet } from './ports.ts';

export interface GatewayReport {
  readonly gateway: Gateway;
  readonly addresses: readonly string[];
  readonly verdicts: readonly Verdict[];
  readonly listeners: readonly ListenerReport[];
  readonly attachedListenerSets: number;
}

export interface ListenerSetReport {
  readonly set: ListenerSet;
  readonly verdicts: readonly Verdict[];
  readonly listeners: readonly ListenerReport[];
}

export interface ListenerReport {
  readonly name: string;
  readonly kinds: readonly RouteGroupKind[];
  readonly attachedRoutes: number;
  readonly verdicts: readonly Verdict[];
}

/** What the owner of a Gateway should know once the proxy holds it. */
export function reportOf(planned: PlannedGateway): GatewayReport {
  const { gateway, addresses, listeners, sets, shown } = planned;
  const own = listeners.filter(({ owner }) => owner.kind === 'Gateway');
  const refused = refusalOf(gateway) ?? noneAccepted(own);
  const noAddress = addressProblem(gateway, addresses);
  const noneServes = listeners.some(serves) ? undefined : invalid('no listener can serve');
  return {
    gateway,
    addresses,
    verdicts: [
      unless(refused, 'Accepted', acceptedReason(own)),
      unless(refused ? invalid('it is not accepted') : (noAddress ?? noneServes), 'Programmed'),
      ...insecureVerdicts(listeners),
      ...(shown ? [unless('reason' in shown ? shown : undefined, 'ResolvedRefs')] : []),
    ],
    listeners: own.map((each) => listenerReport(each, planned)),
    attachedListenerSets: sets.filter((each) => !setRefusal(each, gateway)).length,
  };
}

function insecureVerdicts(listeners: readonly PlannedListener[]): Verdict[] {
  const insecure = listeners.filter(({ clients }) => clients?.insecure).map(({ listener }) => listener.name);
  if (insecure.length === 0) return [];
  const message = `${insecure.join(', ')}: clients without a valid certificate are let in`;
  return [verdict('InsecureFrontendValidationMode', true, 'ConfigurationChanged', message)];
}

/** The same for the owner of a ListenerSet. */
export function setReportOf(planned: PlannedSet, of: PlannedGateway): ListenerSetReport {
  const { set, listeners } = planned;
  const refused = setRefusal(planned, of.gateway);
  const noAddress = addressProblem(of.gateway, of.addresses);
  return {
    set,
    verdicts: [
      unless(refused, 'Accepted', acceptedReason(listeners)),
      unless(refused ?? (noAddress && { ...noAddress, reason: 'Pending' }), 'Programmed'),
    ],
    listeners: listeners.map((each) => listenerReport(each, of)),
  };
}

function setRefusal({ listeners, refused }: PlannedSet, gateway: Gateway): Problem | undefined {
  const ofParent = refusalOf(gateway);
  if (refused) return refused;
  if (ofParent) return { ...ofParent, reason: 'ParentNotAccepted' };
  return listeners.some(serves) ? undefined : { reason: 'ListenersNotValid', message: 'no listener can serve' };
}

function acceptedReason(listeners: readonly PlannedListener[]): string {
  return listeners.some(({ refused }) => refused) ? 'ListenersNotValid' : 'Accepted';
}

function listenerReport(planned: PlannedListener, { gateway, addresses, attached }: PlannedGateway): ListenerReport {
  return {
    name: planned.listener.name,
    // What is not served supports no kind.
    kinds: planned.refused ? [] : planned.kinds,
    attachedRoutes: new Set(attached.get(planned)?.map(({ kind, key }) => `${kind} ${key}`)).size,
    verdicts: listenerVerdicts(planned, refusalOf(gateway) ?? addressProblem(gateway, addresses)),
  };
}

function listenerVerdicts(planned: PlannedListener, gatewayProblem: Problem | undefined): Verdict[] {
  const { refused, unresolved } = planned;
  const unserved = serves(planned) ? undefined : invalid(unresolved?.message ?? '');
  const pending = gatewayProblem && { reason: 'Pending', message: gatewayProblem.message };
  return [
    unless(refused, 'Accepted'),
    refused?.isConflict
      ? verdict('Conflicted', true, refused.reason, refused.message)
      : verdict('Conflicted', false, 'NoConflicts'),
    unless(unresolved, 'ResolvedRefs'),
    unless(refused ? (refused.isConflict ? refused : invalid(refused.message)) : (unserved ?? pending), 'Programmed'),
  ];
}

function noneAccepted(listeners: readonly PlannedListener[]): Problem | undefined {
  if (listeners.some(({ refused }) => !refused)) return undefined;
  return { reason: 'ListenersNotValid', message: 'no listener is accepted' };
}

/** Why a Gateway is not served, whatever its listeners are. */
export function refusalOf(gateway: Gateway): Problem | undefined {
  return unsupportedAddress(gateway) ?? parametersProblem(gateway);
}

/** There is no kind of parameters yet. */
function parametersProblem({ spec }: Gateway): Problem | undefined {
  const ref = spec.infrastructure?.parametersRef;
  return ref && { reason: 'InvalidParameters', message: `parameters of the kind ${ref.kind} are not known` };
}

function invalid(message: string): Problem {
  return { reason: 'Invalid', message };
}
