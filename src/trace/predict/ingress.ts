import { ownClassOf } from '../../edge/ingress/classes.ts';
import type { Route, RoutingPlan } from '../../edge/ingress/plan.ts';
import { Routing } from '../../edge/ingress/routing.ts';
import { readSettings } from '../../edge/ingress/settings.ts';
import { serviceKeyOf } from '../../proxy/services.ts';
import type { Objects } from '../world.ts';

/** What the L7 proxy should do, but for certificates and the parameters of classes: requests go the same way without. */
export function planRouting(objects: Objects): RoutingPlan {
  const slices = Map.groupBy(objects.endpointSlices, serviceKeyOf);
  const keyOf = (object: { metadata?: { namespace?: string; name?: string } }) =>
    `${object.metadata?.namespace}/${object.metadata?.name}`;
  const services = new Map(objects.services.map((service) => [keyOf(service), service]));
  const routing = new Routing({
    service: (key) => services.get(key),
    slices: (key) => slices.get(key) ?? [],
    nodes: () => objects.nodes,
    secret: () => undefined,
  });
  routing.nodesChanged();
  for (const ingress of objects.ingresses) {
    if (!ownClassOf(ingress, objects.ingressClasses)) continue;
    routing.set(ingress, readSettings(ingress.metadata?.annotations ?? {}).settings, []);
  }
  return routing.plan().plan;
}

/** The route of a request: the most specific host that has the path, and there the longest path. */
export function routeOf({ routes }: RoutingPlan, host: string, path: string): Route | undefined {
  const name = host.toLowerCase();
  const hosts = [name, `*.${name.split('.').slice(1).join('.')}`, ''];
  return hosts
    .map(
      (each) =>
        [...routes.values()].filter((route) => route.host === each && matches(route, path)).toSorted(bySpecificity)[0],
    )
    .find((route) => route !== undefined);
}

function matches({ match, path: wanted }: Route, path: string): boolean {
  const bare = wanted.replace(/\/+$/, '');
  return match === 'exact' ? path === wanted : path === bare || path.startsWith(`${bare}/`);
}

function bySpecificity(a: Route, b: Route): number {
  if (a.path.length !== b.path.length) return b.path.length - a.path.length;
  return a.match === 'exact' ? -1 : 1;
}
