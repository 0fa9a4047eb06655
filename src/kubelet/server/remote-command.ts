import { dialUpgrade, forwardedHeaders, grantUpgrade, type Upgraded } from '../../base/upgrade.ts';
import { containerState } from '../cri/messages.ts';
import type { FoundContainer, RuntimeView } from '../runtime-view.ts';
import { HttpError, type UpgradeCall } from './answer.ts';
import { whenExited } from './exit.ts';
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
  if (!offeredProtocols(call.request).includes(protocolV5)) return joinRuntime(call, new URL(url));
  const missed: Missed =
    kind === 'attach' ? (since) => missedContainer(node.runtime, found, since) : async () => undefined;
  await serveV5(call, new URL(url), options, missed);
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

/** Why a command that said nothing counts as failed, if it does. `since`: when its streams were opened, in ms. */
type Missed = (since: number) => Promise<string | undefined>;

/** How long a runtime may take from the end of a container's output to the container's end. */
const exitMs = 2_000;

/**
 * A container may end while somebody is on the way to it. The runtime then attaches to nothing and calls it a success;
 * told that it failed, `kubectl run` shows the log in its place.
 */
async function missedContainer(
  runtime: RuntimeView,
  { id, name }: FoundContainer,
  since: number,
): Promise<string | undefined> {
  await whenExited(runtime, id, AbortSignal.timeout(exitMs));
  const status = await runtime.containerStatus(id);
  const missed = status?.state === containerState.exited && status.finishedAt < since * 1e6;
  return missed ? `container "${name}" ended before it was attached to` : undefined;
}

async function serveV5(call: UpgradeCall, url: URL, options: StreamOptions, missed: Missed): Promise<void> {
  const { socket, head } = await dialSpdy(url, 'v4.channel.k8s.io');
  const spdy = new SpdyConnection(socket, head);
  try {
    const ws = await acceptWebSocket(call.request, call.socket, call.head, protocolV5);
    const since = Date.now();
    await translate(ws, spdy, options, () => missed(since));
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
