import { hollowLabel } from '../../api/node-labels.ts';
import type { Resource } from '../../api/resource.ts';
import { endpointSlices, nodes, pods, services } from '../../api/resource.ts';
import type { EndpointSlice, KubeObject } from '../../api/types.ts';
import { assertAllowed } from '../auth/authorize.ts';
import { objectKey } from '../cache/watch-cache.ts';
import type { Context } from '../context.ts';
import { badRequest, internalError, methodNotAllowed, notFound, unauthorized } from '../errors.ts';
import { type ApiRequest, parseRequest, type RequestInfo, type ResourceTarget } from '../request.ts';
import { admitConnect } from './connect-admission.ts';
import { splitProxyName } from './http.ts';
import { kubeletPath, type StreamSubresource } from './kubelet-path.ts';
import { nodeProxyPlace, type ProxyPlace, podProxyPlace, serviceProxyPlace } from './proxy-target.ts';
import type { ClientTls, ProxyTarget } from './target.ts';

/** Where a stream leads. */
export interface Destination {
  readonly target: ProxyTarget;
  readonly tls: ClientTls | undefined;
  /** Of a `proxy` subresource: the path of ours that stands for the target's root. */
  readonly prefix?: string;
  /** Headers that the target gets besides the client's: `[name, value, …]`. */
  readonly headers?: readonly string[];
}

/** What is asked for, where it is a stream. */
export interface StreamRequest {
  readonly info: RequestInfo;
  readonly resource: ResourceTarget;
  readonly kind: 'log' | 'connect' | 'proxy';
}

const podStreams = new Set(['log', 'exec', 'attach', 'portforward']);
const proxied = new Set(['pods', 'services', 'nodes']);

const streamPath = /\/(log|exec|attach|portforward|proxy)([/?]|$)/;

/** Spares all other requests a closer look. */
export const mayBeStream = ({ path }: ApiRequest): boolean => streamPath.test(path);

/** The stream that a request is for; `undefined` for all other requests. */
export function streamRequestOf(request: ApiRequest): StreamRequest | undefined {
  if (!mayBeStream(request)) return undefined;
  const parsed = parseRequest(request.method, request.path);
  // `?watch=true` in a proxied path is the other side's.
  const info = parsed.verb === 'watch' ? { ...parsed, verb: 'get' } : parsed;
  const resource = info.resource;
  if (resource?.group !== '' || resource.name === '') return undefined;
  const { plural, subresource } = resource;
  if (subresource === 'proxy' && proxied.has(plural)) return { info, resource, kind: 'proxy' };
  if (plural !== 'pods' || !podStreams.has(subresource)) return undefined;
  return { info, resource, kind: subresource === 'log' ? 'log' : 'connect' };
}

/**
 * Where a stream leads, once its user may have it and admission lets it be. `undefined` for the log of a pod that is on no node: there is none.
 *
 * @throws StatusError as Kubernetes says it.
 */
export async function locate(
  context: Context,
  request: ApiRequest,
  stream: StreamRequest,
): Promise<Destination | undefined> {
  authorize(context, request, stream);
  if (stream.kind !== 'log') await admitConnect(context, request, stream);
  return stream.kind === 'proxy' ? locateProxy(context, request, stream) : locatePod(context, stream);
}

function authorize(context: Context, { user }: ApiRequest, { info, kind }: StreamRequest): void {
  if (!user) throw unauthorized();
  if (kind === 'log' && info.verb !== 'get') throw methodNotAllowed();
  assertAllowed(context, info, user);
  // A WebSocket begins with a GET; who may only read must not run commands (KEP-4006, since 1.35).
  if (kind === 'connect') assertAllowed(context, { ...info, verb: 'create' }, user);
}

function locatePod(context: Context, { info, resource }: StreamRequest): Destination | undefined {
  const pod = find(context, pods, resource.namespace, resource.name);
  const path = kubeletPath(resource.subresource as StreamSubresource, pod, info.query);
  const nodeName = pod.spec?.nodeName;
  if (!nodeName) return undefined;
  const node = find(context, nodes, '', nodeName);
  if (node.metadata?.labels?.[hollowLabel]) throw badRequest(`nothing runs on ${nodeName}: it is a hollow node`);
  const place = nodeProxyPlace(node, nodeName);
  return { target: { ...place, path }, tls: kubeletTls(context) };
}

function locateProxy(context: Context, request: ApiRequest, { resource }: StreamRequest): Destination {
  const [, prefix = '', path = ''] =
    /^(\/api\/v1\/(?:namespaces\/[^/]+\/)?[^/]+\/[^/]+\/proxy)(.*)$/.exec(request.path) ?? [];
  const place = proxyPlace(context, resource);
  const target = { ...place, path: path.startsWith('/') ? path : `/${path}` };
  return { target, tls: place.kubelet ? kubeletTls(context) : undefined, prefix };
}

function proxyPlace(context: Context, { plural, namespace, name: text }: ResourceTarget): ProxyPlace {
  if (plural === 'nodes') return nodeProxyPlace(find(context, nodes, '', splitProxyName(text, 'node').name), text);
  if (plural === 'pods') return podProxyPlace(find(context, pods, namespace, splitProxyName(text, 'pod').name), text);
  const service = find(context, services, namespace, splitProxyName(text, 'service').name);
  const slices = context.cache
    .resource(endpointSlices)
    .list(objectKey(endpointSlices, namespace, ''))
    .map((slice) => slice.parse<EndpointSlice>())
    .filter(
      ({ metadata }) =>
        metadata?.namespace === namespace && metadata.labels?.['kubernetes.io/service-name'] === service.metadata?.name,
    );
  return serviceProxyPlace(service, slices, text);
}

function find<T extends KubeObject>(context: Context, resource: Resource<T>, namespace: string, name: string): T {
  const found = context.cache.resource(resource).get(objectKey(resource, namespace, name));
  if (!found) throw notFound(resource, name);
  return found.parse<T>();
}

function kubeletTls({ kubeletTLS }: Context): ClientTls {
  if (!kubeletTLS) throw internalError('this API server has no credentials for kubelets');
  return kubeletTLS;
}
