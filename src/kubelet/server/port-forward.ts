import { HttpError, type UpgradeCall } from './answer.ts';
import { findPod, type NodeView, type PodName } from './node.ts';
import { dialSpdy, joinRuntime } from './remote-command.ts';
import { tunnel, tunnelPrefix } from './tunnel.ts';
import { acceptWebSocket, offeredProtocols } from './websocket.ts';

/** `/portForward`: SPDY as it is, or SPDY inside a WebSocket, which is taken out of it. */
export async function servePortForward(call: UpgradeCall, names: PodName, node: NodeView): Promise<void> {
  findPod(node, names);
  const podSandboxId = await node.runtime.findSandbox(names.namespace, names.pod);
  if (podSandboxId === undefined) throw new HttpError(404, `pod "${names.pod}" has no sandbox that is ready`);
  const url = new URL(await node.runtime.cri.portForward({ podSandboxId, port: portsOf(call.url.searchParams) }));
  const tunneled = offeredProtocols(call.request).find((name) => name.startsWith(tunnelPrefix));
  if (tunneled === undefined) return joinRuntime(call, url);
  const { socket, head } = await dialSpdy(url, tunneled.slice(tunnelPrefix.length));
  try {
    const ws = await acceptWebSocket(call.request, call.socket, call.head, tunneled);
    await tunnel(ws, socket, head);
  } finally {
    socket.destroy();
  }
}

/** Only the old WebSocket protocol names its ports up front: `port=80,81`. */
function portsOf(query: URLSearchParams): number[] {
  const ports = query.getAll('port').flatMap((list) => list.split(',').filter((text) => text !== ''));
  return ports.map((text) => {
    const port = Number(text);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new HttpError(400, `invalid port "${text}"`);
    return port;
  });
}
