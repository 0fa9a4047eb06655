import type { Service } from '../../../api/types.ts';
import { keyOf } from '../../../client/cache.ts';
import { problemOf, type Referrer } from '../../../edge/gateway/backends.ts';
import type { BackendReference } from '../../../edge/gateway/objects.ts';
import type { RouteOfKind } from '../../../edge/gateway/plan.ts';
import type { Match, Rule } from '../../../edge/gateway/rules.ts';
import type { FaultCode } from '../catalogue.ts';
import type { Backend } from '../endpoints.ts';
import type { Facts } from '../facts.ts';
import { Report } from '../model.ts';
import { nearest } from '../near.ts';
import { checkProxied } from '../proxied.ts';
import { checkService, proxy } from '../services.ts';
import { type GatewayView, type GatewayWorld, routeText } from './world.ts';

/** Where the requests of a rule go: to each of its backends a share of them. */
export async function checkRule(
  report: Report,
  facts: Facts,
  world: GatewayWorld,
  view: GatewayView,
  route: RouteOfKind,
  rule: Rule,
): Promise<readonly Backend[]> {
  const { redirect } = rule.actions;
  if (redirect) {
    const { code, ...other } = redirect;
    const changes = Object.entries(other).flatMap(([part, value]) => (value === undefined ? [] : `${part} ${value}`));
    const to = changes.join(', ') || 'another path';
    report.note('filter', `${routeText(route)} sends clients elsewhere with ${code} (${to}): no backend is asked`);
    return [];
  }
  const used = rule.backendRefs.filter(({ ref }) => ref.weight !== 0);
  for (const { ref } of rule.backendRefs) {
    if (ref.weight === 0) report.note('backend', `${nameOf(ref, route)} has the weight 0: it gets no requests`);
  }
  if (used.length === 0) {
    const message = `a rule of ${routeText(route)} has no backend that gets requests`;
    report.fail('backend', 'ROUTE_NO_BACKEND', routeText(route), message, {
      evidence: [`${rule.backendRefs.length} backendRefs, all of weight 0`, `it is for ${rule.matches.map(matchText)}`],
    });
    return [];
  }
  const ways: Report[] = [];
  const found: Backend[] = [];
  for (const { ref } of used) {
    const way = new Report();
    found.push(...(await checkReference(way, facts, world, view, route, ref)));
    ways.push(way);
  }
  report.include(ways);
  return found;
}

const nameOf = ({ kind = 'Service', namespace, name }: BackendReference, { route }: RouteOfKind): string =>
  `${kind} ${namespace ?? route.metadata?.namespace}/${name}`;

/** `/cart (exactly), header version = 2` */
export function matchText({ match, path, when }: Match): string {
  const how = { exact: ' (exactly)', prefix: '', regex: ' (expression)' }[match];
  const conditions = when.map((each) => {
    const name = 'name' in each ? ` ${each.name}` : '';
    return `${each.on}${name} ${'regex' in each ? `~ ${each.regex}` : `= ${each.value}`}`;
  });
  return [`${path}${how}`, ...conditions].join(', ');
}

async function checkReference(
  report: Report,
  facts: Facts,
  world: GatewayWorld,
  { gateway }: GatewayView,
  route: RouteOfKind,
  ref: BackendReference,
): Promise<readonly Backend[]> {
  const { name, namespace = route.route.metadata?.namespace ?? '', port = 0 } = ref;
  const service = world.objects.service(`${namespace}/${name}`);
  const referrer: Referrer = { kind: route.kind, namespace: route.route.metadata?.namespace ?? '' };
  const problem = problemOf(ref, referrer, world.objects);
  if (problem || !service) {
    const code = codeOf(problem?.reason, service !== undefined);
    const evidence = await evidenceOf(facts, code, referrer, namespace, name, service);
    const message = `${routeText(route)} leads nowhere: ${problem?.message}`;
    report.fail('backend', code, routeText(route), message, { evidence });
    return [];
  }
  const tls = world.tlsPolicies.of(service, keyOf(service), port, keyOf(gateway));
  if (tls && 'reason' in tls) {
    const message = `a BackendTLSPolicy for Service ${keyOf(service)} cannot be held: ${tls.message}`;
    report.fail('backend', 'ROUTE_BACKEND_TLS', `Service ${keyOf(service)}`, message, {
      evidence: [`Accepted is False: ${tls.reason}`],
    });
    return [];
  }
  const backends = await checkService(report, facts, service, { port, protocol: 'tcp' }, proxy);
  const want = { namespace, service: name, port, mode: 'nodes', policy: {} } as const;
  return await checkProxied(report, facts, service, want, backends);
}

function codeOf(reason: string | undefined, isThere: boolean): FaultCode {
  if (reason === 'RefNotPermitted') return 'ROUTE_BACKEND_NOT_GRANTED';
  if (reason === 'BackendNotFound') return isThere ? 'ROUTE_BACKEND_PORT' : 'ROUTE_BACKEND_MISSING';
  return 'ROUTE_BACKEND_UNSUPPORTED';
}

/** What may have been meant, or what a grant must say. */
async function evidenceOf(
  facts: Facts,
  code: FaultCode,
  from: Referrer,
  namespace: string,
  name: string,
  service: Service | undefined,
): Promise<readonly string[]> {
  if (code === 'ROUTE_BACKEND_NOT_GRANTED') {
    return [`from: ${from.kind} of the namespace ${from.namespace}; to: Service ${name} of the namespace ${namespace}`];
  }
  if (service) return [`it is of type ${service.spec?.type ?? 'ClusterIP'}, ${portsText(service)}`];
  const names = (await facts.services(namespace)).map(({ metadata }) => metadata?.name ?? '');
  const near = nearest(name, names);
  return near.length > 0 ? [`there is: ${near.join(', ')}`] : [];
}

const portsText = ({ spec }: Service): string =>
  `with the ports ${spec?.ports?.map(({ port }) => port).join(', ') || 'none'}`;
