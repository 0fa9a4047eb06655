import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { subjectAccessReviews, tokenReviews } from '../../api/resource.ts';
import type { Client } from '../../client/client.ts';
import { HttpError } from './answer.ts';

/** Who asks. */
export interface Caller {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, string[]>>;
}

/** What the API server says of callers that the node does not know. */
export interface Reviews {
  /** `undefined` for a token that is not valid. */
  callerOf(token: string): Promise<Caller | undefined>;
  mayAccess(caller: Caller, verb: string, subresource: string): Promise<boolean>;
}

/** The API server's own client may do everything, without asking it. */
const SUPERUSERS = 'system:masters';
/** `authentication.webhook.cacheTTL`, and `authorization.webhook`'s for who may and who may not. */
const TTL_MS = { token: 120_000, allowed: 300_000, denied: 30_000 } as const;
const REMEMBERED = 1_000;

const VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Lets a request in, or throws 401 or 403 (https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/). */
export async function authorize(request: IncomingMessage, path: string, reviews: Reviews | undefined): Promise<void> {
  const caller = certifiedCaller(request) ?? (await tokenCaller(request, reviews));
  if (!caller) throw new HttpError(401, 'Unauthorized');
  if (caller.groups.includes(SUPERUSERS)) return;
  const verb = VERBS[request.method ?? ''] ?? '';
  const subresources = subresourcesOf(path);
  for (const subresource of subresources) if (await reviews?.mayAccess(caller, verb, subresource)) return;
  const asked = `user=${caller.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}]`;
  throw new HttpError(403, `Forbidden (${asked})`);
}

/**
 * The subresources of the node that a path belongs to; one of them is enough. Some paths have one of their own beside
 * `proxy`, which stands for all the rest (KEP-2862).
 */
export function subresourcesOf(path: string): readonly string[] {
  const [root = ''] = path.split('/').slice(1);
  const own = { stats: 'stats', metrics: 'metrics', logs: 'log', spec: 'spec', checkpoint: 'checkpoint' }[root];
  if (own) return [own];
  const fine = { healthz: 'healthz', pods: 'pods', runningpods: 'pods', configz: 'configz' }[root];
  return fine ? [fine, 'proxy'] : ['proxy'];
}

/** The name and the groups in a client's certificate. */
function certifiedCaller({ socket }: IncomingMessage): Caller | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { CN, O } = socket.getPeerCertificate().subject;
  const [name = ''] = [CN ?? []].flat();
  return { name, groups: [...[O ?? []].flat(), 'system:authenticated'] };
}

async function tokenCaller(request: IncomingMessage, reviews: Reviews | undefined): Promise<Caller | undefined> {
  const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return token === undefined ? undefined : await reviews?.callerOf(token);
}

export function createReviews(client: Client, nodeName: string): Reviews {
  const callers = createMemory<Caller | undefined>();
  const verdicts = createMemory<boolean>();
  return {
    callerOf: (token) =>
      callers(token, async () => {
        const kind = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview' };
        const { status } = await client.create(tokenReviews, { ...kind, spec: { token } });
        const { username = '', groups = [], uid, extra } = status?.user ?? {};
        const caller = { name: username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
        return { answer: status?.authenticated ? caller : undefined, ttlMs: TTL_MS.token };
      }),
    mayAccess: (caller, verb, subresource) =>
      verdicts(JSON.stringify([caller, verb, subresource]), async () => {
        const resourceAttributes = { group: '', version: 'v1', resource: 'nodes', name: nodeName, verb, subresource };
        const { name: user, groups, uid, extra } = caller;
        const spec = { user, groups: [...groups], uid, extra, resourceAttributes };
        const kind = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' };
        const { status } = await client.create(subjectAccessReviews, { ...kind, spec });
        const allowed = status?.allowed === true;
        return { answer: allowed, ttlMs: allowed ? TTL_MS.allowed : TTL_MS.denied };
      }),
  };
}

/** Remembers answers for as long as each holds; the oldest is forgotten where there are too many. */
function createMemory<T>() {
  const known = new Map<string, { readonly answer: T; readonly until: number }>();
  return async (key: string, ask: () => Promise<{ answer: T; ttlMs: number }>): Promise<T> => {
    const found = known.get(key);
    if (found && performance.now() < found.until) return found.answer;
    const { answer, ttlMs } = await ask();
    known.delete(key);
    known.set(key, { answer, until: performance.now() + ttlMs });
    if (known.size > REMEMBERED) known.delete(known.keys().next().value ?? '');
    return answer;
  };
}
