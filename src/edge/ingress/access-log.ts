import { beforeHost, field } from './haproxy/routes.ts';

/** One request, as the access log tells it. Times in ms. */
export interface AccessEntry {
  /** When it ended, RFC 3339. */
  readonly time: string;
  /** `address:port` */
  readonly client: string;
  /** `TLSv1.3`; not there for plain HTTP. */
  readonly tls?: string;
  readonly method: string;
  readonly host: string;
  /** With its query. */
  readonly path: string;
  /** `HTTP/1.1` */
  readonly version: string;
  /** 0 where the client left before an answer. */
  readonly status: number;
  readonly bytes: number;
  /** `namespace/name` of the Ingress; not there where none has the host and path. */
  readonly ingress?: string;
  /** `namespace/service:port` */
  readonly service?: string;
  readonly node?: string;
  /** Not there where it went to a node's port: the kernel chose it. */
  readonly pod?: string;
  /** Where the proxy sent from, as the node and the pod may have seen it. */
  readonly source?: string;
  readonly retries: number;
  /** HAProxy's two letters for how it ended; not there for a normal end. */
  readonly ended?: string;
  readonly ms: {
    /** Until the request was read. */
    readonly request: number;
    /** Until the server was connected; -1 where none was. */
    readonly connect: number;
    /** The server's, until it began to answer. */
    readonly response: number;
    readonly total: number;
  };
}

interface Line {
  /** Seconds since 1970: when the request could come at the earliest, since the one before it had ended. */
  readonly began: string;
  readonly client: string;
  readonly tls: string;
  readonly status: number;
  readonly bytes: number;
  /** A map's value, and the host behind it. */
  readonly route: string;
  readonly backend: string;
  readonly server: string;
  readonly source: string;
  /** `+1` where it went to another server. */
  readonly retries: string;
  readonly ended: string;
  readonly ms: readonly number[];
  readonly request: string;
}

/** Reads a line of the proxy's log; undefined where it is not one of a request. */
export function parseAccessLine(text: string): AccessEntry | undefined {
  const line = parseLine(text);
  if (!line) return undefined;
  const [method = '', path = '', version = ''] = line.request.split(' ');
  const [node, pod] = line.server === '<NOSRV>' ? [] : line.server.split(/:(.*)/s);
  const [request = 0, , connect = -1, response = -1, total = 0, sinceBegan = 0] = line.ms;
  const atHost = line.route.indexOf(beforeHost);
  const route = line.route.slice(0, atHost).split(';');
  // A new backend has a spare one's name for some seconds.
  const backend = (line.backend === route[field.backend - 1] && route[field.name - 1]) || line.backend;
  return {
    time: new Date(Math.round(Number(line.began) * 1000) + sinceBegan).toISOString(),
    client: line.client,
    tls: unlessNone(line.tls),
    method,
    host: line.route.slice(atHost + beforeHost.length),
    path,
    version,
    status: Math.max(line.status, 0),
    bytes: line.bytes,
    ingress: unlessNone(route[field.source - 1] ?? '-'),
    service: backend.includes('_') ? backend.replace(/^([^_]+)_([^_]+)_([^_]+).*/, '$1/$2:$3') : undefined,
    node,
    pod: pod || undefined,
    source: line.source.startsWith('-') ? undefined : line.source,
    retries: Number(line.retries),
    ended: line.ended === '--' ? undefined : line.ended,
    ms: { request, connect, response, total },
  };
}

function parseLine(text: string): Line | undefined {
  try {
    // HAProxy escapes for a format in which the bracket means something.
    return text.startsWith('{') ? JSON.parse(text.replaceAll('\\]', ']')) : undefined;
  } catch {
    return undefined; // cut off: it was longer than the log's lines
  }
}

function unlessNone(text: string): string | undefined {
  return text === '-' || text === '' ? undefined : text;
}

/** The entry as a line that a person reads. */
export function formatAccessEntry(entry: AccessEntry): string {
  const { time, client, method, host, path, status, ingress = 'no Ingress', service = '', ms } = entry;
  const who = [entry.node, entry.pod].filter(Boolean).join(' ') || 'nobody';
  const scheme = entry.tls ? 'https' : 'http';
  const times = `${ms.total} ms${ms.response >= 0 ? ` (server ${ms.response})` : ''}`;
  const trouble = [
    entry.retries > 0 ? `tried ${entry.retries + 1} times` : '',
    entry.ended ? `ended ${entry.ended}` : '',
  ];
  return [
    `${time} ${status} ${method} ${scheme}://${host}${path}`,
    `${client} → ${ingress} → ${service ? `${service} → ` : ''}${who}`,
    [times, ...trouble.filter(Boolean)].join(', '),
  ].join('  ');
}
