import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { ContainerStatus, Pod } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { FoundContainer } from '../runtime-view.ts';
import { HttpError } from './answer.ts';
import { whenExited } from './exit.ts';
import { type LogRequest, readLog } from './logs/read.ts';
import { type ContainerName, containerSpec, findPod, type NodeView } from './node.ts';

/** `/containerLogs`: the container's output as plain text, while it runs where the client follows it. */
export async function serveContainerLogs(
  response: ServerResponse,
  query: URLSearchParams,
  names: ContainerName,
  node: NodeView,
): Promise<void> {
  const request = logRequest(query);
  const pod = findPod(node, names);
  if (!containerSpec(pod, names.container)) {
    throw new HttpError(404, `container "${names.container}" not found in pod "${names.pod}"`);
  }
  const container = await findLogged(node, pod, names, isTrue(query.get('previous')));
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const follows = request.follow && container.running;
  const ended = follows ? whenExited(node.runtime, container.id, gone.signal) : Promise.resolve();
  const log = readLog(container.logPath, request, { ended, signal: gone.signal });
  await writeLog(response, log, { gone: gone.signal, mayWait: follows });
}

/** The start of the container that is meant: the one that runs, else the one that the pod's status names. */
async function findLogged(node: NodeView, pod: Pod, names: ContainerName, previous: boolean): Promise<FoundContainer> {
  const starts = await node.runtime.findContainers(names.namespace, names.pod, names.container);
  // Another pod may have had this name before.
  const own = starts.filter(({ podUid }) => podUid === pod.metadata?.uid);
  const running = own.find((start) => start.running);
  if (running && !previous) return running;
  const id = loggedContainer(pod, names.container, previous);
  const found = own.find((start) => start.id === id);
  if (!found) throw new HttpError(400, `unable to retrieve container logs for containerd://${id}`);
  return found;
}

async function writeLog(
  response: ServerResponse,
  log: AsyncGenerator<Buffer>,
  { gone, mayWait }: { readonly gone: AbortSignal; readonly mayWait: boolean },
): Promise<void> {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  // A client that follows a silent container shall see at once that it was let in.
  const early = mayWait ? setImmediate(() => response.flushHeaders()) : undefined;
  try {
    for await (const chunk of log) {
      if (!response.write(chunk)) await once(response, 'drain', { signal: gone });
    }
    response.end();
  } catch (error) {
    if (!gone.aborted) throw response.headersSent ? error : new HttpError(400, messageOf(error));
  } finally {
    clearImmediate(early);
  }
}

function logRequest(query: URLSearchParams): LogRequest {
  const sinceSeconds = count(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime');
  const since = sinceTime ? Date.parse(sinceTime) : sinceSeconds && Date.now() - sinceSeconds * 1000;
  if (Number.isNaN(since)) throw new HttpError(400, `sinceTime: "${sinceTime}" is not an RFC 3339 time`);
  const stream = (query.get('stream') ?? 'All').toLowerCase();
  if (stream !== 'all' && stream !== 'stdout' && stream !== 'stderr') {
    throw new HttpError(400, `invalid stream type "${query.get('stream')}"`);
  }
  return {
    follow: isTrue(query.get('follow')),
    timestamps: isTrue(query.get('timestamps')),
    tailLines: count(query, 'tailLines'),
    limitBytes: count(query, 'limitBytes'),
    since,
    stream,
  };
}

function count(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new HttpError(400, `${name}: "${text}" is not a whole number`);
  return value;
}

function isTrue(text: string | null): boolean {
  return text === 'true' || text === '1';
}

/** The id of the container that is meant, by what the pod's status says; the messages are the kubelet's. */
export function loggedContainer(pod: Pod, container: string, previous: boolean): string {
  const of = `container "${container}" in pod "${pod.metadata?.name}"`;
  const status = statusOf(pod, container);
  if (!status) throw new HttpError(400, `${of} is not available`);
  const { waiting, running, terminated } = status.state ?? {};
  const last = status.lastState?.terminated?.containerID;
  if (previous) {
    if (!last) throw new HttpError(400, `previous terminated ${of} not found`);
    return bareId(last);
  }
  const id = (running && status.containerID) || terminated?.containerID || last;
  if (id) return bareId(id);
  if (terminated) throw new HttpError(400, `${of} is terminated`);
  throw new HttpError(400, `${of} is waiting to start${waiting ? waitingFor(waiting.reason) : ' - no logs yet'}`);
}

function waitingFor(reason: string | undefined): string {
  if (reason === 'ErrImagePull') return ": image can't be pulled";
  if (reason === 'ImagePullBackOff') return ': trying and failing to pull image';
  return `: ${reason ?? ''}`;
}

function statusOf(pod: Pod, container: string): ContainerStatus | undefined {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    ({ name }) => name === container,
  );
}

/** Statuses say `containerd://ID`, the runtime itself `ID`. */
function bareId(id: string): string {
  return id.replace(/^[a-z0-9-]+:\/\//, '');
}
