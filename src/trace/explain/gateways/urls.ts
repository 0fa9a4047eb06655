import { keyOf } from '../../../client/cache.ts';
import { covering } from '../../../edge/gateway/hostnames.ts';
import type { RouteOfKind } from '../../../edge/gateway/plan.ts';
import { portName } from '../../../edge/gateway/ports.ts';
import { type ChosenRoute, chooseRoute, type PlannedRequest } from '../../../edge/gateway/requests.ts';
import type { Backend } from '../endpoints.ts';
import type { Facts } from '../facts.ts';
import type { Report } from '../model.ts';
import { checkWayOut } from '../policies.ts';
import type { Asker } from '../services.ts';
import { checkItself } from './gateways.ts';
import { hostOf, listenerFor, listenerHost, portOf } from './listeners.ts';
import {
  checkAttachment,
  checkRefused,
  checkSaidReferences,
  hasHost,
  isAttached,
  reportHost,
  routeHosts,
} from './routes.ts';
import { checkRule, matchText } from './rules.ts';
import {
  type GatewayView,
  type GatewayWorld,
  gatewayText,
  type ListenerView,
  listenerText,
  type RouteView,
  routeText,
} from './world.ts';

/** The Gateway that has an address. */
export const gatewayAt = ({ gateways }: GatewayWorld, address: string): GatewayView | undefined =>
  gateways.find(({ addresses }) => addresses.includes(address));

/** The Gateway that has a name, by a listener or a route: of several the one that means it most specifically. */
export function gatewayNamed({ gateways }: GatewayWorld, host: string): GatewayView | undefined {
  for (const name of covering(host).filter((each) => each !== '')) {
    const found = gateways.find((each) => hostsOf(each).includes(name));
    if (found) return found;
  }
  return undefined;
}

/** Those that its listeners and routes name; `''`: any. */
export const hostsOf = ({ listeners, routes }: GatewayView): string[] => [
  ...listeners.map(listenerHost),
  ...routes.flatMap(routeHosts),
];

/** Which route of a Gateway has a URL's requests, and to which pods it leads them. */
export async function checkGatewayUrl(
  report: Report,
  facts: Facts,
  world: GatewayWorld,
  view: GatewayView,
  url: URL,
  from: Asker,
): Promise<readonly Backend[]> {
  if (!checkItself(report, world, view)) return [];
  const address = view.addresses.find((each) => each === hostOf(url)) ?? view.addresses[0];
  if (!(await checkWayOut(report, facts, from, address, portOf(url)))) return [];
  const listener = listenerFor(report, world, view, url);
  if (!listener) return [];
  if (!view.isOwn) {
    checkForeign(report, view, listener, url);
    return [];
  }
  const port = world.plan.ports.get(portName(view.gateway, portOf(url)));
  const chosen = port && chooseRoute(port, requestOf(url));
  if (!chosen) {
    reportNoRoute(report, view, listener, url);
    return [];
  }
  const named = view.routes.filter((route) => routeHosts(route).includes(hostOf(url)));
  for (const route of named) checkAttachment(report, view, route, true);
  return await checkChosen(report, facts, world, view, chosen);
}

/** As somebody asks who says nothing but the URL. */
function requestOf(url: URL): PlannedRequest {
  const { pathname: path, searchParams: query } = url;
  return { host: hostOf(url).toLowerCase(), method: 'GET', path, query, headers: new Map() };
}

async function checkChosen(
  report: Report,
  facts: Facts,
  world: GatewayWorld,
  view: GatewayView,
  { host, path, choice }: ChosenRoute,
): Promise<readonly Backend[]> {
  const route = world.routes.find((each) => each.kind === choice.kind && keyOf(each.route) === choice.source);
  const rule = route?.readRules()[choice.rule];
  if (!route || !rule) return [];
  const how = path.match === 'exact' ? ' (exactly)' : '';
  report.pass('route', `${routeText(route)}, rule ${choice.rule + 1}: ${host || 'any host'}, path ${path.path}${how}`);
  return await checkRule(report, facts, world, view, route, rule);
}

/** Why nobody has the request. */
function reportNoRoute(report: Report, view: GatewayView, listener: ListenerView, url: URL): void {
  const host = hostOf(url);
  if (checkRefused(report, view, host)) return;
  const attached = attachedTo(view, listener);
  if (attached.length === 0) {
    const message = `${listenerText(listener)} has no route`;
    report.fail('route', 'GATEWAY_NO_ROUTE', listenerText(listener), message);
    return;
  }
  const ofHost = attached.filter((route) => hasHost(route, host));
  if (ofHost.length === 0) {
    reportHost(report, view, host, attached.flatMap(routeHosts), `no route of ${gatewayText(view.gateway)} has it`);
    return;
  }
  const subject = ofHost.map(routeText).join(', ');
  const message = `no rule for ${host} matches a plain GET of ${url.pathname}${url.search}`;
  report.fail('route', 'ROUTE_PATH_UNKNOWN', subject, message, { evidence: ofHost.map(rulesLine) });
}

function attachedTo({ routes }: GatewayView, { listener, attachedRoutes }: ListenerView): RouteView[] {
  if (attachedRoutes === 0) return [];
  return routes.filter(
    (route) =>
      isAttached(route) &&
      route.parents.some(
        ({ parentRef: { sectionName = listener.name, port = listener.port } }) =>
          sectionName === listener.name && port === listener.port,
      ),
  );
}

function rulesLine(route: RouteOfKind): string {
  const matches = route.readRules().flatMap((rule) => rule.matches.map(matchText));
  return `${routeText(route)} has: ${matches.join('; ') || 'no rule'}`;
}

/** Of a Gateway that somebody else serves it is known which routes it took, and not which of them has a request. */
function checkForeign(report: Report, view: GatewayView, listener: ListenerView, url: URL): void {
  const ofHost = attachedTo(view, listener).filter((route) => hasHost(route, hostOf(url)));
  if (ofHost.length === 0) {
    reportNoRoute(report, view, listener, url);
    return;
  }
  for (const route of ofHost) checkSaidReferences(report, route);
  const names = ofHost.map(routeText).join(', ');
  const text = `which rule of ${names} has the request, and its way to pods, is ${view.gatewayClass?.spec.controllerName}’s to know`;
  report.unknown('route', text);
}
