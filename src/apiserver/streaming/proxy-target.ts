import { isIP } from 'node:net';
import type { EndpointSlice, Node, Pod, Service } from '../../api/types.ts';
import { badRequest, StatusError } from '../errors.ts';
import { type ProxyName, splitProxyName } from './http.ts';

/** Where a `proxy` subresource leads, but for the path. */
export interface ProxyPlace {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** True for the kubelet itself, which wants our client certificate. */
  readonly kubelet?: boolean;
}

const defaultPort = { http: 80, https: 443 } as const;

/**
 * A pod's own address, at the port that `name` asks for, else the first that the pod declares.
 *
 * @throws StatusError `BadRequest` for a pod without an address.
 */
export function podProxyPlace(pod: Pod, text: string): ProxyPlace {
  const { scheme, port } = splitProxyName(text, 'pod');
  const host = pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? '';
  if (isIP(host) === 0) throw badRequest('address not allowed');
  const declared = pod.spec?.containers.flatMap(({ ports = [] }) => ports)[0]?.containerPort;
  return { scheme, host, port: port === '' ? (declared ?? defaultPort[scheme]) : numberOf(port, `pod "${text}"`) };
}

/**
 * One of the Service's ready endpoints, any of them as `random` (0 to 1) has it.
 *
 * @throws StatusError `ServiceUnavailable` where there is none, or the Service has no such port.
 */
export function serviceProxyPlace(
  service: Service,
  slices: readonly EndpointSlice[],
  text: string,
  random: number = Math.random(),
): ProxyPlace {
  const name = splitProxyName(text, 'service');
  const portName = servicePortName(service, name);
  const places = slices.flatMap(({ endpoints = [], ports = [] }) =>
    ports
      .filter((port) => (port.name ?? '') === portName && port.port !== undefined)
      .flatMap(({ port = 0 }) =>
        endpoints
          .filter(({ conditions }) => conditions?.ready !== false)
          .flatMap(({ addresses }) => addresses.slice(0, 1).map((host) => ({ scheme: name.scheme, host, port }))),
      ),
  );
  const place = places[Math.floor(random * places.length)];
  if (!place) throw unavailable(`no endpoints available for service "${name.name}"`);
  return place;
}

/** The name under which EndpointSlices carry the port that is asked for by name or number, or the only one. */
function servicePortName(service: Service, { name, port }: ProxyName): string {
  const ports = service.spec?.ports ?? [];
  const found =
    port === '' && ports.length === 1
      ? ports[0]
      : ports.find((each) => (each.name ?? '') === port || String(each.port) === port);
  if (!found) throw unavailable(`no service port "${port}" found for service "${name}"`);
  return found.name ?? '';
}

/** The node's kubelet; another port of the node where one is asked for. */
export function nodeProxyPlace(node: Node, text: string): ProxyPlace {
  const { scheme, port } = splitProxyName(text, 'node');
  const host = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  if (host === undefined) throw badRequest(`node ${node.metadata?.name} has no address`);
  const kubeletPort = node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 10250;
  const asked = port === '' ? kubeletPort : numberOf(port, `node "${text}"`);
  if (asked === kubeletPort) return { scheme: 'https', host, port: asked, kubelet: true };
  return { scheme, host, port: asked };
}

function numberOf(text: string, of: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw badRequest(`invalid port in ${of}`);
  return port;
}

const unavailable = (message: string) => new StatusError(503, 'ServiceUnavailable', message);
