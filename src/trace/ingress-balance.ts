import type { EndpointSlice, Ingress, Node, Service } from '../api/types.ts';
import { percent } from '../base/percent.ts';
import { type BackendWant, planBackend, proxyNodes } from '../edge/ingress/backends.ts';
import { planIngress } from '../edge/ingress/ingress.ts';
import { routeKey } from '../edge/ingress/plan.ts';
import type { Settings } from '../edge/ingress/settings.ts';
import type { Masquerade } from '../proxy/plan.ts';
import { type Balance, expectedBalance, policyOf, unevenness } from './balance.ts';

/** How requests to one backend of an Ingress spread over its pods: through node ports, and straight to them. */
export interface BackendBalance {
  /** Hosts and paths that lead to it. */
  readonly routes: readonly string[];
  /** `namespace/name:port` */
  readonly service: string;
  /** The way in force. */
  readonly mode: 'nodes' | 'pods';
  /** Sorted by node, then by name. */
  readonly pods: readonly {
    readonly pod: string;
    readonly node: string;
    readonly nodes?: number;
    readonly direct: number;
  }[];
  /** Through node ports; not there where the Service has none. */
  readonly throughNodes?: Balance;
}

export interface IngressBalanceInput {
  readonly ingress: Ingress;
  readonly settings: Settings;
  service(key: string): Service | undefined;
  slices(key: string): readonly EndpointSlice[];
  readonly nodes: readonly Node[];
  readonly masquerade?: Masquerade;
}

/** The expected shares of each pod, backend by backend, as the plans of proxy and nodes say. */
export function ingressBalance(input: IngressBalanceInput): BackendBalance[] {
  const plan = planIngress(input.ingress, input.settings);
  return [...plan.backends.values()].map((want) => {
    const routes = plan.claims.filter(({ backend }) => backend === want.name).map(routeKey);
    return { routes: [...new Set(routes)], ...backendBalance(input, want) };
  });
}

function backendBalance(input: IngressBalanceInput, want: BackendWant): Omit<BackendBalance, 'routes'> {
  const key = `${want.namespace}/${want.service}`;
  const service = input.service(key);
  const slices = input.slices(key);
  const nodes = proxyNodes(input.nodes);
  const planned = planBackend(want, service, slices, nodes).backend.servers;
  const direct = planBackend({ ...want, mode: 'pods' }, service, slices, nodes).backend.servers;
  const throughNodes = service && nodeBalance(input, service, slices, want);
  const share = (address: string) => throughNodes?.pods.find(({ endpoint }) => endpoint === address)?.share ?? 0;
  return {
    service: `${key}:${want.port}`,
    mode: planned.some(({ node }) => node !== undefined) ? 'nodes' : 'pods',
    pods: direct.map(({ name, address, port }) => ({
      pod: name.replace(/^[^:]*:/, ''),
      node: name.split(':')[0] ?? '',
      nodes: throughNodes && share(`${address}:${port}`),
      direct: 1 / direct.length,
    })),
    throughNodes,
  };
}

/** The proxy asks nodes in turn; each leads to its pods as for any outside connection. */
function nodeBalance(
  { nodes, masquerade }: IngressBalanceInput,
  service: Service,
  slices: readonly EndpointSlice[],
  { port }: BackendWant,
): Balance | undefined {
  const hasNodePort = service.spec?.ports?.some((each) => each.nodePort && (each.name === port || each.port === port));
  if (!hasNodePort || service.spec?.type === 'ClusterIP') return undefined;
  return expectedBalance({ service, slices, nodes, port: String(port), masquerade }, policyOf(service));
}

/** What to do, in a sentence. */
export function ingressAdvice({ mode, throughNodes, pods }: BackendBalance): string {
  if (pods.length === 0) return 'There is no ready pod: requests are answered with 503.';
  if (mode === 'pods') {
    const gain =
      throughNodes && throughNodes.secondHop > 0
        ? `, which spares ${percent(throughNodes.secondHop)} a second hop`
        : '';
    return `Requests go straight to pods: every pod gets the same${gain}.`;
  }
  const hops = `${percent(throughNodes?.secondHop ?? 0)} of connections take a second hop`;
  const uneven = throughNodes && unevenness(throughNodes) > 1.1 ? ', and pods do not get the same' : '';
  return `Through node ports ${hops}${uneven}. The annotation knit.dev/backends: pods avoids it.`;
}
