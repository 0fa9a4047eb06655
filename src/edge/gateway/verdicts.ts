import { addressProblem, unsupportedAddress } from './addresses.ts';
import { type Problem, unless, type Verdict, verdict } from './conditions.ts';
import { type PlannedListener, serves } from './listeners.ts';
import type { Gateway, RouteGroupKind } from './objects.ts';
import type { PlannedGateway } from './ports.ts';

export interface GatewayReport {
  readonly gateway: Gateway;
  readonly addresses: readonly string[];
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
  const { gateway, addresses, listeners, attached } = planned;
  const listenersRefused = listeners.filter(({ refused }) => refused).length;
  const refused = refusalOf(gateway) ?? noneAccepted(listeners, listenersRefused);
  const noAddress = addressProblem(gateway, addresses);
  const noneServes = listeners.some(serves) ? undefined : invalid('no listener can serve');
  return {
    gateway,
    addresses,
    verdicts: [
      unless(refused, 'Accepted', listenersRefused > 0 ? 'ListenersNotValid' : 'Accepted'),
      unless(refused ? invalid('it is not accepted') : (noAddress ?? noneServes), 'Programmed'),
    ],
    listeners: listeners.map((each) => ({
      name: each.listener.name,
      // What is not served supports no kind.
      kinds: each.refused ? [] : each.kinds,
      attachedRoutes: new Set(attached.get(each)?.map(({ kind, key }) => `${kind} ${key}`)).size,
      verdicts: listenerVerdicts(each, refused ?? noAddress),
    })),
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

function noneAccepted(listeners: readonly PlannedListener[], refused: number): Problem | undefined {
  return refused < listeners.length ? undefined : { reason: 'ListenersNotValid', message: 'no listener is accepted' };
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
