import { ownClassOf } from '../../edge/ingress/classes.ts';
import type { Route, RoutingPlan } from '../../edge/ingress/plan.ts';
import type { BackendObjects } from '../../edge/ingress/planned-backends.ts';
import { Routing } from '../../edge/ingress/routing.ts';
import { readSettings } from '../../edge/ingress/settings.ts';
import type { Objects } from '../world.ts';
import type { ProxyRoute } from './proxy.ts';

/** What the L7 proxy should do for Ingresses, but for certificates and the parameters of classes. */
export function planIngressRouting({ ingresses, ingressClasses }: Objects, behind: BackendObjects): RoutingPlan {
  const routing = new Routing({ ...behind, secret: () => undefined });
  routing.nodesChanged();
  for (const ingress of ingresses) {
    if (!ownClassOf(ingress, ingressClasses)) continue;
    routing.set(ingress, readSettings(ingress.metadata?.annotations ?? {}).settings, []);
  }
  return routing.plan().plan;
}

/** What an Ingress does with a request to the proxy's own address. `named`: only one that names the host. */
export function ingressRouteOf(
  plan: RoutingPlan,
  address: string,
  host: string,
  path: string,
  wanted: 'named' | 'any',
): ProxyRoute | undefined {
  const route = routeOf(plan, host, path);
  if (!route || (wanted === 'named' && route.host === '')) return undefined;
  const owner = `Ingress ${route.source}`;
  const text = `host ${route.host || 'any'}, path ${route.path}`;
  return { address, owner, cause: { object: owner, text }, backends: [route.backend] };
}

/** The route of a request: the most specific host that has the path, and there the longest path. */
function routeOf({ routes }: RoutingPlan, host: string, path: string): Route | undefined {
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
