import type { Backend } from './endpoints.ts';
import type { Facts } from './facts.ts';
import { hostOf } from './gateways/listeners.ts';
import { checkParents, hasHost, routeHosts } from './gateways/routes.ts';
import { checkGatewayUrl, gatewayAt, gatewayNamed, hostsOf } from './gateways/urls.ts';
import { type GatewayWorld, gatewayWorld } from './gateways/world.ts';
import { checkIngressUrl, namesHost } from './ingresses.ts';
import type { Report } from './model.ts';
import type { Asker } from './services.ts';

/** Who serves a URL, an Ingress or a Gateway, and through which Services to which pods. */
export async function checkUrl(report: Report, facts: Facts, url: URL, from: Asker): Promise<readonly Backend[]> {
  const read = await gatewayWorld(facts);
  const world = read === 'forbidden' ? undefined : read;
  const host = hostOf(url);
  const isOfIngress = (await facts.ingresses()).some((each) => namesHost(each, host));
  const found = world && (gatewayAt(world, host) ?? (isOfIngress ? undefined : gatewayNamed(world, host)));
  if (world && found) return await checkGatewayUrl(report, facts, world, found, url, from);
  if (world && !isOfIngress && checkLostRoutes(report, world, host)) return [];
  const hosts = world?.gateways.flatMap(hostsOf);
  return await checkIngressUrl(report, facts, url, from, { hosts, forbidden: read === 'forbidden' });
}

/** Whether routes name the host whose Gateways are not there. */
function checkLostRoutes(report: Report, world: GatewayWorld, host: string): boolean {
  const named = world.routes.filter((route) => routeHosts(route)[0] !== '' && hasHost(route, host));
  return named.flatMap((route) => checkParents(report, world, route)).length > 0;
}
