import type { Resource } from '../api/resource.ts';
import type { KubeObject, Status } from '../api/types.ts';

/** How requests reach an API server: over HTTPS, or straight into one in the same process. Both behave alike. */
export interface Transport {
  request(request: TransportRequest): Promise<TransportResponse>;
  close(): Promise<void>;
}

export interface TransportRequest {
  readonly method: string;
  /** With its query: `/api/v1/pods?watch=true`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export interface TransportResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The body as it arrives; must be read or `cancel`led. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body. */
  text(): Promise<string>;
}

export interface ObjectRef {
  readonly name: string;
  /** Must be there for namespaced resources. */
  readonly namespace?: string;
}

export interface SelectorOptions {
  /** All namespaces where left out. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListOptions extends SelectorOptions {
  /** At most so many; `metadata.continue` of the answer asks for the rest. Left out: all. */
  readonly limit?: number;
  readonly continue?: string;
}

export interface WatchOptions extends SelectorOptions {
  readonly resourceVersion?: string;
  /** The server ends the watch after this long. */
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal;
}

export interface List<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: T[];
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: KubeObject };

export type PatchType = 'json' | 'merge' | 'strategic';

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

/**
 * An API server as a component sees it. Every method throws {@link ApiError} for an answer that is not 2xx and an
 * ordinary `Error` where no answer came.
 */
export interface Client {
  get<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef): Promise<T>;
  list<T extends KubeObject>(resource: Resource<T>, options?: ListOptions): Promise<List<T>>;
  /** `metadata.namespace` says where. */
  create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  /** `metadata.resourceVersion`, where it is there, must be the present one. */
  update<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  updateStatus<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  patch<T extends KubeObject>(
    resource: Resource<T>,
    ref: ObjectRef,
    type: PatchType,
    patch: unknown,
    subresource?: string,
  ): Promise<T>;
  delete<T extends KubeObject>(resource: Resource<T>, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** POST to a subresource: `binding`, `eviction`, `token`. */
  createSubresource<R extends KubeObject>(resource: Resource, ref: ObjectRef, subresource: string, body: R): Promise<R>;
  /** Ends when the server ends it or `signal` fires; throws {@link ApiError} 410 where the revision is gone. */
  watch<T extends KubeObject>(resource: Resource<T>, options?: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** Anything else, as text: `/version`, `/readyz`. */
  raw(method: string, path: string, body?: string): Promise<string>;
}

/** What the API server answered when it refused. */
export class ApiError extends Error {
  readonly code: number;
  /** `NotFound`, `Conflict`, `AlreadyExists`, `Invalid` … */
  readonly reason: string;
  readonly status: Status;
  constructor(status: Status) {
    super(status.message ?? status.reason ?? 'the API server refused');
    this.name = 'ApiError';
    this.code = status.code ?? 500;
    this.reason = status.reason ?? '';
    this.status = status;
  }
}

export const isNotFound = (error: unknown): boolean => error instanceof ApiError && error.code === 404;
export const isConflict = (error: unknown): boolean => error instanceof ApiError && error.reason === 'Conflict';
export const isAlreadyExists = (error: unknown): boolean =>
  error instanceof ApiError && error.reason === 'AlreadyExists';
