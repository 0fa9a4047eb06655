import { apiVersion, type Resource } from '../api/resource.ts';
import type { KubeObject, Status } from '../api/types.ts';
import {
  ApiError,
  type Client,
  type List,
  type ListOptions,
  type ObjectRef,
  type PatchType,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from './client.ts';
import { pathOf, queryOf } from './paths.ts';
import { eventsOf } from './watch.ts';

const patchContentTypes: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

const jsonBody = { accept: 'application/json', 'content-type': 'application/json' };
const jsonAnswer = { accept: 'application/json' };

export interface ClientOptions {
  /** `User-Agent`, which also names the field manager of what this client writes. Default `knit`. */
  readonly userAgent?: string;
}

/** A {@link Client} over any transport. Closing the transport is its owner's task. */
export function createClient(transport: Transport, options: ClientOptions = {}): Client {
  const agent = { 'user-agent': options.userAgent ?? 'knit' };

  const send = async (request: TransportRequest): Promise<TransportResponse> => {
    const response = await transport.request({ ...request, headers: { ...agent, ...request.headers } });
    if (response.status >= 200 && response.status < 300) return response;
    throw await refusal(response);
  };

  const read = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const request: TransportRequest =
      body === undefined
        ? { method, path, headers: jsonAnswer }
        : { method, path, headers: jsonBody, body: JSON.stringify(body) };
    return JSON.parse(await (await send(request)).text()) as T;
  };

  const placeOf = (object: KubeObject) => ({ namespace: object.metadata?.namespace, name: object.metadata?.name });

  return {
    get: (resource, ref) => read('GET', pathOf(resource, ref)),
    list: async <T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}) => {
      const query = queryOf(options, { limit: options.limit?.toString(), continue: options.continue });
      const list = await read<List<T>>('GET', pathOf(resource, { namespace: options.namespace }) + query);
      return withTypes(resource, list);
    },
    create: (resource, object) =>
      read('POST', pathOf(resource, { namespace: object.metadata?.namespace }), typed(resource, object)),
    update: (resource, object) => read('PUT', pathOf(resource, placeOf(object)), typed(resource, object)),
    updateStatus: (resource, object) =>
      read('PUT', pathOf(resource, { ...placeOf(object), subresource: 'status' }), typed(resource, object)),
    async patch(resource, ref: ObjectRef, type, patch, subresource) {
      const headers = { accept: 'application/json', 'content-type': patchContentTypes[type] };
      const path = pathOf(resource, { ...ref, subresource });
      return JSON.parse(await (await send({ method: 'PATCH', path, headers, body: JSON.stringify(patch) })).text());
    },
    async delete(resource, ref, deleteOptions) {
      const body = deleteOptions && { kind: 'DeleteOptions', apiVersion: 'v1', ...deleteOptions };
      await read('DELETE', pathOf(resource, ref), body);
    },
    createSubresource: (resource, ref, subresource, body) =>
      read('POST', pathOf(resource, { ...ref, subresource }), body),
    async *watch(resource, watchOptions = {}) {
      const query = queryOf(watchOptions, {
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: watchOptions.resourceVersion,
        timeoutSeconds: watchOptions.timeoutSeconds?.toString(),
      });
      const path = pathOf(resource, { namespace: watchOptions.namespace }) + query;
      const response = await send({ method: 'GET', path, headers: jsonAnswer, signal: watchOptions.signal });
      yield* eventsOf(response);
    },
    async raw(method, path, body) {
      const headers = body === undefined ? undefined : jsonBody;
      return (await send({ method, path, body, headers })).text();
    },
  };
}

/** Objects say their kind by themselves: what is written names it even where the caller left it out. */
function typed<T extends KubeObject>(resource: Resource<T>, object: T): T {
  return object.kind ? object : { ...object, apiVersion: apiVersion(resource), kind: resource.kind };
}

/** Items of a list leave their kind out; as everywhere else in knit they carry it. */
function withTypes<T extends KubeObject>(resource: Resource<T>, list: List<T>): List<T> {
  for (const item of list.items) {
    item.apiVersion ??= apiVersion(resource);
    item.kind ??= resource.kind;
  }
  return list;
}

async function refusal(response: TransportResponse): Promise<ApiError> {
  const text = await response.text();
  return new ApiError(statusOf(text) ?? { code: response.status, message: text.trim() || `HTTP ${response.status}` });
}

function statusOf(text: string): Status | undefined {
  try {
    const body: unknown = JSON.parse(text);
    const isStatus = typeof body === 'object' && body !== null && 'kind' in body && body.kind === 'Status';
    return isStatus ? (body as Status) : undefined;
  } catch {
    // Proxies and health checks answer in plain text.
    return undefined;
  }
}
