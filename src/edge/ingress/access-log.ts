import { beforeHost, field, lineStart } from './haproxy/routes.ts';

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
  /** The port that the proxy sent from, as the node and the pod may have seen it. */
  readonly sourcePort?: number;
  /** The pod's or the node's port that it went to. */
  readonly serverPort?: number;
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

/** Reads a line of the proxy's log; undefined where it is not one of a request. */
export function parseAccessLine(text: string): AccessEntry | undefined {
  const [start, began, client = '', tls = '', status, bytes, servedBy = '', server = '', ...more] = text.split(' ');
  const [ports = '', retries = '', ended, times, found = '', ...request] = more;
  if (start !== lineStart || times === undefined || request.length === 0) return undefined;
  const [method = '', path = '', version = ''] = request;
  const [sourcePort, serverPort] = ports.split(':').map((port) => Number(port) || undefined);
  const [node, pod] = server === '<NOSRV>' ? [] : server.split(/:(.*)/s);
  const [read = 0, connect = -1, response = -1, total = 0, sinceBegan = 0] = times.split('/').map(Number);
  // The host comes behind the value where the value's own is not the one that was asked for.
  const [value = '', asked] = found.split(beforeHost);
  const route = value.split(';');
  const fieldOf = (name: keyof typeof field) => unlessNone(route[field[name] - 1] ?? '');
  // A new backend has a spare one's name for some seconds.
  const backend = (servedBy === fieldOf('backend') && fieldOf('name')) || servedBy;
  return {
    // When the request could come at the earliest, since the one before it had ended; and how long it took from then.
    time: new Date(Math.round(Number(began) * 1000) + sinceBegan).toISOString(),
    client,
    tls: unlessNone(tls),
    method,
    host: asked === undefined ? (fieldOf('host') ?? '') : decode(asked, '%'),
    // Of HTTP/2 it is the whole URL.
    path: decode(path.replace(/^\w+:\/\/[^/?]*/, ''), '#'),
    version,
    status: Math.max(Number(status), 0),
    bytes: Number(bytes),
    ingress: fieldOf('source'),
    service: backend.includes('_') ? backend.replace(/^([^_]+)_([^_]+)_([^_]+).*/, '$1/$2:$3') : undefined,
    node,
    pod: pod || undefined,
    sourcePort,
    serverPort,
    // `+1` where it went to another server.
    retries: Number(retries),
    ended: ended === '--' ? undefined : ended,
    ms: { request: read, connect, response, total },
  };
}

/** What clients write has bytes as hexadecimal numbers behind `sign`, `sign` itself among them. */
function decode(text: string, sign: '%' | '#'): string {
  if (!text.includes(sign)) return text;
  const bytes = text.split(new RegExp(`${sign}([0-9a-fA-F]{2})`));
  return Buffer.concat(bytes.map((part, index) => Buffer.from(part, index % 2 ? 'hex' : 'utf8'))).toString();
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
