import { dialUpgrade, forwardedHeaders, grantUpgrade, type Upgraded } from '../../base/upgrade.ts';
import { HttpError, type UpgradeCall } from './answer.ts';
import { type ContainerName, containerSpec, findPod, type NodeView } from './node.ts';
import { SpdyConnection } from './spdy/connection.ts';
import { type StreamOptions, translate } from './translate.ts';
import { acceptWebSocket, offeredProtocols } from './websocket.ts';

/** How long the runtime may take to answer an upgrade request. */
export const runtimeAnswerMs = 30_000;

/**
 * `/exec` and `/attach`. A client that speaks v5.channel.k8s.io is translated, because runtimes speak version 4 at most;
 * all others (SPDY, older WebSocket protocols) are the runtime's own clients, and joined to it byte for byte.
 */
export async function serveRemoteCommand(
  call: UpgradeCall,
  kind: 'exec' | 'attach',
  names: ContainerName,
  node: NodeView,
): Promise<void> {
  const pod = findPod(node, names);
  const found = await node.runtime.findContainer(names.namespace, names.pod, names.container);
  if (!found?.running) throw new HttpError(500, `container not found ("${names.container}")`);
  const asked = streamOptions(call.url.searchParams);
  // Whether a running process has a terminal was settled when it started.
  const tty = kind === 'exec' ? asked.tty : containerSpec(pod, names.container)?.tty === true;
  const options = { ...asked, tty, stderr: asked.stderr && !tty };
  const { cri } = node.runtime;
  const url =
    kind === 'exec'
      ? await cri.exec({ containerId: found.id, cmd: call.url.searchParams.getAll('command'), ...options })
      : await cri.attach({ containerId: found.id, ...options });
  if (offeredProtocols(call.request).includes(protocolV5)) await serveV5(call, new URL(url), options);
  else await joinRuntime(call, new URL(url));
}

const protocolV5 = 'v5.channel.k8s.io';

function streamOptions(query: URLSearchParams): StreamOptions {
  const asks = (name: string) => query.get(name) === '1';
  const options = { stdin: asks('input'), stdout: asks('output'), stderr: asks('error'), tty: asks('tty') };
  if (!options.stdin && !options.stdout && !options.stderr) {
    throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  }
  return options;
}

async function serveV5(call: UpgradeCall, url: URL, options: StreamOptions): Promise<void> {
  const { socket, head } = await dialSpdy(url, 'v4.channel.k8s.io');
  const spdy = new SpdyConnection(socket, head);
  try {
    const ws = await acceptWebSocket(call.request, call.socket, call.head, protocolV5);
    await translate(ws, spdy, options);
  } finally {
    spdy.close();
  }
}

/** Opens a SPDY connection to the runtime's streaming server, for one of Kubernetes' protocols over it. */
export function dialSpdy(url: URL, protocol: string): Promise<Upgraded> {
  return dialUpgrade({
    ...dialOptions(url),
    method: 'POST',
    headers: [
      ...['Host', url.host, 'Connection', 'Upgrade', 'Upgrade', 'SPDY/3.1'],
      ...['X-Stream-Protocol-Version', protocol],
    ],
  });
}

/** Replays the client's request to the runtime and joins the two connections. */
export async function joinRuntime(call: UpgradeCall, url: URL): Promise<void> {
  const upgraded = await dialUpgrade({
    ...dialOptions(url),
    method: call.request.method,
    headers: forwardedHeaders(call.request.rawHeaders, url.host),
  });
  grantUpgrade(call.socket, call.head, upgraded);
}

function dialOptions(url: URL) {
  return {
    protocol: url.protocol === 'https:' ? ('https:' as const) : ('http:' as const),
    host: url.hostname,
    port: url.port,
    path: `${url.pathname}${url.search}`,
    timeoutMs: runtimeAnswerMs,
  };
}
