import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import * as https from 'node:https';
import { createInterface } from 'node:readline';
import type { TestApiServer } from './testing.ts';

/** Who speaks on a connection; `undefined` parts are left out. */
export interface Identity {
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** What the body said, where it was JSON; an empty object otherwise. */
  readonly json: Json;
}

/** The fields of answers that tests look at, as if each answer had all of them: a missing one fails the assertion. */
export interface Json {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly resourceVersion: string;
    readonly generation: number;
    readonly continue: string;
    readonly remainingItemCount: number;
    readonly finalizers: readonly string[];
    readonly deletionTimestamp: string;
    readonly deletionGracePeriodSeconds: number;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly message: string;
  readonly reason: string;
  readonly details: { readonly causes: readonly { readonly reason: string }[] };
  readonly data: Readonly<Record<string, string>>;
  readonly items: readonly Json[];
  readonly columnDefinitions: readonly { readonly name: string }[];
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly conditions?: readonly unknown[] }[];
  readonly spec: {
    readonly replicas: number;
    readonly nodeName: string;
    readonly finalizers: readonly string[];
    readonly clusterIP: string;
    readonly clusterIPs: readonly string[];
    readonly ipFamilies: readonly string[];
    readonly ipFamilyPolicy: string;
    readonly ports: readonly { readonly nodePort: number }[];
  };
  readonly status: {
    readonly replicas: number;
    readonly selector: string;
    readonly phase: string;
    readonly allowed: boolean;
    readonly user: { readonly username: string };
    readonly incomplete: boolean;
    readonly evaluationError: string;
    readonly token: string;
    readonly userInfo: { readonly username: string; readonly extra: Readonly<Record<string, readonly string[]>> };
  };
  readonly note: string;
  readonly regarding: { readonly name: string };
  readonly gitVersion: string;
  /** Of an event of a watch. */
  readonly type: string;
  readonly object: Json;
}

/** Speaks HTTPS with a test server, with nothing of the project's own client between. For tests. */
export function wireTo(server: TestApiServer, identity: Identity = { cert: server.adminCert, key: server.adminKey }) {
  const { port } = new URL(server.url);
  const { cert, key, token } = identity;
  const agent = new https.Agent({ keepAlive: true, ca: server.ca, cert, key });
  const open = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const bearer: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
      // Node sends no length of a DELETE's body by itself.
      if (body !== undefined) bearer['content-length'] = String(Buffer.byteLength(body));
      const call = https.request({ agent, host: '127.0.0.1', port, method, path, headers: { ...bearer, ...headers } });
      call.once('response', resolve);
      call.once('error', reject);
      call.end(body);
    });
  const request = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<WireAnswer> => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await open(method, path, { ...type, ...headers }, text);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const answer = Buffer.concat(chunks).toString('utf8');
    const json: Json = JSON.parse(answer.startsWith('{') ? answer : '{}');
    return { status: response.statusCode ?? 0, headers: response.headers, text: answer, json };
  };
  return {
    /** The answer as a stream that nobody reads yet. */
    open,
    request,
    get: (path: string, headers?: Record<string, string>) => request('GET', path, undefined, headers),
    post: (path: string, body: unknown, headers?: Record<string, string>) => request('POST', path, body, headers),
    put: (path: string, body: unknown) => request('PUT', path, body),
    delete: (path: string, body?: unknown) => request('DELETE', path, body),
    patch: (path: string, type: string, body: unknown) =>
      request('PATCH', path, body, { 'content-type': `application/${type}-patch+json` }),
    /** The events of a watch; ends when the server ends it, or with the loop. */
    async *watch(path: string, headers: Record<string, string> = {}): AsyncGenerator<Json> {
      const response = await open('GET', path, headers);
      try {
        for await (const line of createInterface({ input: response })) yield JSON.parse(line);
      } finally {
        response.destroy();
      }
    },
    close: () => agent.destroy(),
  };
}
