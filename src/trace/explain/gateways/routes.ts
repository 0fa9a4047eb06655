import { keyOf } from '../../../client/cache.ts';
import { parentKey } from '../../../edge/gateway/attachment.ts';
import type { Verdict } from '../../../edge/gateway/conditions.ts';
import { covers } from '../../../edge/gateway/hostnames.ts';
import type { Listener } from '../../../edge/gateway/objects.ts';
import type { RouteOfKind } from '../../../edge/gateway/plan.ts';
import type { FaultCode } from '../catalogue.ts';
import type { Facts } from '../facts.ts';
import { type Finding, Report } from '../model.ts';
import { nearest } from '../near.ts';
import { checkRule } from './rules.ts';
import {
  brokenOf,
  conditionOf,
  type GatewayView,
  type GatewayWorld,
  gatewayText,
  type RouteView,
  routeText,
} from './world.ts';

/** `''`: any. */
export const routeHosts = ({ route }: RouteOfKind): readonly string[] =>
  route.spec.hostnames?.length ? route.spec.hostnames.map((each) => each.toLowerCase()) : [''];

export const hasHost = (route: RouteOfKind, host: string): boolean =>
  routeHosts(route).some((each) => covers(each, host));

export const isAttached = ({ parents }: RouteView): boolean =>
  parents.some(({ conditions }) => conditionOf(conditions, 'Accepted')?.status === 'True');

/** What keeps a route from its listeners, by the reason of its condition. */
const refusals: Readonly<Record<string, FaultCode>> = {
  NoMatchingParent: 'ROUTE_LISTENER_UNKNOWN',
  NotAllowedByListeners: 'ROUTE_NOT_ALLOWED',
  NoMatchingListenerHostname: 'ROUTE_HOST_MISMATCH',
  HostnameConflict: 'ROUTE_CONFLICT',
};

/** Why a Gateway does not take a route, by each reference to it; `partial`: another route has the requests. */
export function checkAttachment(report: Report, view: GatewayView, route: RouteView, partial = false): void {
  const subject = routeText(route);
  const listeners = view.listeners.map(({ listener }) => listenerLine(listener)).join(', ');
  for (const { parentRef, conditions } of route.parents) {
    const refused = brokenOf(conditions, 'Accepted');
    if (!refused) continue;
    const { sectionName, port } = parentRef;
    const asked = [...(sectionName ? [`listener ${sectionName}`] : []), ...(port ? [`port ${port}`] : [])];
    const hosts = route.route.spec.hostnames ?? [];
    const message = `${gatewayText(view.gateway)} does not take ${subject}: ${refused.message || refused.reason}`;
    report.fail('route', refusals[refused.reason] ?? 'ROUTE_NOT_ACCEPTED', subject, message, {
      evidence: [
        `Accepted is False: ${refused.reason}`,
        ...(asked.length > 0 ? [`the route names ${asked.join(', ')}`] : []),
        ...(hosts.length > 0 ? [`hosts of the route: ${hosts.join(', ')}`] : []),
        `listeners of the Gateway: ${listeners}`,
      ],
      partial: partial || isAttached(route),
    });
  }
}

const listenerLine = ({ name, protocol, port, hostname }: Listener): string =>
  `${name} (${[protocol, `port ${port}`, ...(hostname ? [hostname] : [])].join(', ')})`;

/** Why a route is not taken that has a host; true where there is one. */
export function checkRefused(report: Report, view: GatewayView, host: string): boolean {
  const refused = view.routes.filter((route) => !isAttached(route) && hasHost(route, host));
  for (const route of refused) checkAttachment(report, view, route);
  return refused.length > 0;
}

/** Nobody has a host, `why` says where; `hosts` are those that are there. */
export function reportHost(
  report: Report,
  view: GatewayView,
  host: string,
  hosts: readonly string[],
  why: string,
): void {
  if (checkRefused(report, view, host)) return;
  const named = hosts.filter(Boolean);
  const near = nearest(host, named);
  const evidence = [`there is: ${[...new Set(near.length > 0 ? near : named)].join(', ')}`];
  report.fail('host', 'GATEWAY_HOST_UNKNOWN', gatewayText(view.gateway), `${host}: ${why}`, { evidence });
}

/** A route of a Gateway: whether it is taken, and where each of its rules leads. */
export async function checkRoute(
  report: Report,
  facts: Facts,
  world: GatewayWorld,
  view: GatewayView,
  route: RouteView,
): Promise<void> {
  checkAttachment(report, view, route);
  if (!isAttached(route)) return;
  if (!view.isOwn) {
    checkSaidReferences(report, route);
    return;
  }
  const ways: Report[] = [];
  for (const rule of route.readRules()) {
    const way = new Report();
    await checkRule(way, facts, world, view, route, rule);
    ways.push(way);
  }
  report.include(ways);
}

const broken: Readonly<Record<string, FaultCode>> = {
  BackendNotFound: 'ROUTE_BACKEND_MISSING',
  RefNotPermitted: 'ROUTE_BACKEND_NOT_GRANTED',
};

/** What somebody else's controller says of a route's backends: of one of them, others may work. */
export function checkSaidReferences(report: Report, route: RouteView): void {
  const said = route.parents.flatMap(({ conditions }): Verdict[] => {
    const unresolved = brokenOf(conditions, 'ResolvedRefs');
    return unresolved ? [unresolved] : [];
  });
  for (const { reason, message } of said) {
    report.fail('backend', broken[reason] ?? 'ROUTE_BACKEND_UNSUPPORTED', routeText(route), message || reason, {
      evidence: [`ResolvedRefs is False: ${reason}`],
      partial: true,
    });
  }
}

/** The parents of a route that are not there. Those of other kinds (a mesh has Services) are not looked at. */
export function checkParents(report: Report, world: GatewayWorld, route: RouteOfKind): Finding[] {
  const { gateways, listenerSets } = world.objects;
  const known = [
    ...gateways.map((each) => `Gateway ${keyOf(each)}`),
    ...listenerSets.map((each) => `ListenerSet ${keyOf(each)}`),
  ];
  const wanted = (route.route.spec.parentRefs ?? [])
    .map((ref) => parentKey(ref, route.route))
    .filter((key) => /^(Gateway|ListenerSet) /.test(key));
  const missing = wanted.filter((key) => !known.includes(key));
  return missing.map((key) => {
    const near = nearest(key, known);
    const message = `${routeText(route)} names ${key}, which is not there`;
    return report.fail('route', 'ROUTE_PARENT_UNKNOWN', routeText(route), message, {
      evidence: [`there is: ${(near.length > 0 ? near : known).join(', ') || 'no Gateway'}`],
      partial: missing.length < wanted.length,
    });
  });
}
