import { randomUUID } from 'node:crypto';
import type { KubeObject, Status } from '../../api/types.ts';
import type { Answer, Stream } from '../answer.ts';
import { anonymous } from '../auth/authentication.ts';
import { type ApiRequest, parseRequest, type RequestInfo, type User } from '../request.ts';
import type { Extent, ExtentOf, Stage } from './policy.ts';

const SWITCHING_PROTOCOLS = 101;

/** Writes an event (audit.k8s.io/v1) for each stage of each request that the policy wants told. */
export class Audit {
  readonly #extentOf: ExtentOf;
  readonly #write: (event: object) => void;

  constructor(extentOf: ExtentOf, write: (event: object) => void) {
    this.#extentOf = extentOf;
    this.#write = write;
  }

  /** The answer of `handle`, told. */
  async answer(request: ApiRequest, handle: (request: ApiRequest) => Promise<Answer> | Answer): Promise<Answer> {
    const record = this.#recordOf(request);
    if (!record) return handle(request);
    record.tell('RequestReceived');
    const answer = await handle({ ...request, annotations: record.annotations });
    const headers = { ...answer.headers, 'audit-id': record.id };
    if (typeof answer.body !== 'function') {
      record.tell('ResponseComplete', answer);
      return { ...answer, headers };
    }
    record.tell('ResponseStarted', answer);
    return { ...answer, headers, body: toldAtEnd(answer.body, () => record.tell('ResponseComplete', answer)) };
  }

  /** A request whose connection goes on to somewhere else (exec, attach, port-forward, proxy): told with its outcome. */
  begin(request: ApiRequest): (status: number) => void {
    const record = this.#recordOf(request);
    return (status) => {
      record?.tell('RequestReceived');
      const stage = status === SWITCHING_PROTOCOLS ? 'ResponseStarted' : 'ResponseComplete';
      record?.tell(stage, { status, headers: {}, body: [] });
    };
  }

  #recordOf(request: ApiRequest): RequestRecord | undefined {
    const info = infoOf(request);
    if (!info) return undefined;
    const { user = anonymous } = request;
    const extent = this.#extentOf(user, info);
    return extent.level === 'None' ? undefined : new RequestRecord(this.#write, extent, request, info, user);
  }
}

/** None where the path is wrong: it is answered so. */
function infoOf({ method, path }: ApiRequest): RequestInfo | undefined {
  try {
    return parseRequest(method, path);
  } catch {
    return undefined;
  }
}

function toldAtEnd(stream: Stream, tell: () => void): Stream {
  return (sink) => {
    const stop = stream(sink);
    return () => {
      stop();
      tell();
    };
  };
}

/** One request on its way through the stages. */
class RequestRecord {
  readonly id: string;
  /** What is found out about the request on its way. */
  readonly annotations = new Map<string, string>();
  readonly #write: (event: object) => void;
  readonly #extent: Extent;
  readonly #request: ApiRequest;
  readonly #info: RequestInfo;
  readonly #user: User;
  readonly #received = microTime();

  constructor(write: (event: object) => void, extent: Extent, request: ApiRequest, info: RequestInfo, user: User) {
    this.id = request.headers['audit-id'] ?? randomUUID();
    this.#write = write;
    this.#extent = extent;
    this.#request = request;
    this.#info = info;
    this.#user = user;
  }

  tell(stage: Stage, answer?: Answer): void {
    const { level, omitStages } = this.#extent;
    if (omitStages.has(stage)) return;
    const { headers, path, remoteAddress } = this.#request;
    const asked = headers['impersonate-user'];
    const withRequest = level !== 'Metadata' && stage !== 'RequestReceived';
    this.#write({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level,
      auditID: this.id,
      stage,
      requestURI: path,
      verb: this.#info.verb,
      user: { username: this.#user.name, uid: this.#user.uid, groups: this.#user.groups, extra: this.#user.extra },
      impersonatedUser: asked === undefined ? undefined : { username: asked },
      sourceIPs: remoteAddress ? [remoteAddress] : undefined,
      userAgent: headers['user-agent'],
      objectRef: objectRef(this.#info, stage === 'RequestReceived' ? undefined : this.#request.body),
      responseStatus: answer && statusOf(answer),
      requestObject: withRequest ? this.#shown(this.#request.body) : undefined,
      responseObject: level === 'RequestResponse' && answer ? this.#shown(bodyOf(answer)) : undefined,
      requestReceivedTimestamp: this.#received,
      stageTimestamp: microTime(),
      annotations: answer && { ...decisionOf(answer), ...Object.fromEntries(this.annotations) },
    });
  }

  /** What is not JSON (protobuf, a table of bytes) is left out. */
  #shown(body: ApiRequest['body']): unknown {
    const object = parsed(body);
    if (this.#extent.omitManagedFields && object?.metadata) delete object.metadata.managedFields;
    return object;
  }
}

function parsed(body: ApiRequest['body']): KubeObject | undefined {
  if (body === undefined || body.length === 0) return undefined;
  try {
    return JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString('utf8')) as KubeObject;
  } catch {
    return undefined;
  }
}

function bodyOf({ body }: Answer): Uint8Array | undefined {
  return typeof body === 'function' ? undefined : Buffer.concat(body);
}

/** What the path does not say of the object (a new one has its name within), the body does, once it was read. */
function objectRef({ resource }: RequestInfo, body: ApiRequest['body']): object | undefined {
  if (!resource) return undefined;
  const { group, version, plural, namespace, name, subresource } = resource;
  const { metadata } = parsed(body) ?? {};
  return {
    resource: plural,
    namespace: namespace || metadata?.namespace,
    name: name || metadata?.name,
    uid: metadata?.uid,
    resourceVersion: metadata?.resourceVersion,
    apiGroup: group || undefined,
    apiVersion: version,
    subresource: subresource || undefined,
  };
}

function statusOf(answer: Answer): object {
  const { status: code } = answer;
  if (code < 400) return { metadata: {}, code };
  const { status, message, reason, details } = (parsed(bodyOf(answer)) ?? {}) as Status;
  return { metadata: {}, status, message, reason, details, code };
}

/** Kubernetes tells in an annotation what authorization decided. */
function decisionOf({ status }: Answer): object | undefined {
  if (status === 401) return undefined;
  return { 'authorization.k8s.io/decision': status === 403 ? 'forbid' : 'allow' };
}

/** RFC 3339 in microseconds, as MicroTime. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}

/** Where the policy is and where events go. */
export interface AuditOptions {
  /** A file with an audit.k8s.io/v1 Policy. */
  readonly policy: string;
  /** Events, a line each. */
  readonly log: string;
}
