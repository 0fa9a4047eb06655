import type { Pod } from '../../api/types.ts';
import { badRequest } from '../errors.ts';

export type StreamSubresource = 'log' | 'exec' | 'attach' | 'portforward';

/**
 * The path and query at the kubelet for a subresource of a pod, as Kubernetes' API server maps them.
 *
 * @throws StatusError `BadRequest` where the container is none of the pod's, or none is named and there are several, or
 *   the pod is on no node (but for its log, which is empty then).
 */
export function kubeletPath(subresource: StreamSubresource, pod: Pod, query: URLSearchParams): string {
  const { namespace, name } = pod.metadata ?? {};
  const pathOf = (...parts: (string | undefined)[]) => parts.map((part) => encodeURIComponent(part ?? '')).join('/');
  if (subresource === 'portforward') {
    assertScheduled(pod);
    return `/portForward/${pathOf(namespace, name)}${search(portParameters(query))}`;
  }
  const container = containerOf(pod, query.get('container') ?? '');
  const path = pathOf(namespace, name, container);
  if (subresource === 'log') return `/containerLogs/${path}${search(logParameters(query))}`;
  assertScheduled(pod);
  return `/${subresource}/${path}${search(streamParameters(subresource, query))}`;
}

function assertScheduled(pod: Pod): void {
  if (!pod.spec?.nodeName) throw badRequest(`pod ${pod.metadata?.name} does not have a host assigned`);
}

/** The container that is asked for; the only one where none is. */
function containerOf(pod: Pod, asked: string): string {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const names = [...initContainers, ...containers, ...ephemeralContainers].map((container) => container.name);
  const podName = pod.metadata?.name;
  if (asked !== '') {
    if (!names.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${podName}`);
    return asked;
  }
  const [only, ...others] = containers;
  if (only && others.length === 0) return only.name;
  const choice = only ? `, choose one of: [${names.join(' ')}]` : '';
  throw badRequest(`a container name must be specified for pod ${podName}${choice}`);
}

function logParameters(query: URLSearchParams): URLSearchParams {
  const given = new URLSearchParams();
  for (const name of ['follow', 'previous', 'timestamps']) if (isTrue(query, name)) given.set(name, 'true');
  for (const name of ['sinceSeconds', 'sinceTime', 'tailLines', 'limitBytes', 'stream']) {
    const value = query.get(name);
    if (value) given.set(name, value);
  }
  return given;
}

/** The kubelet's names for the streams that are wanted. */
const streamNames = [
  ['stdin', 'input'],
  ['stdout', 'output'],
  ['stderr', 'error'],
  ['tty', 'tty'],
] as const;

function streamParameters(subresource: StreamSubresource, query: URLSearchParams): URLSearchParams {
  const given = new URLSearchParams();
  for (const [ours, theirs] of streamNames) if (isTrue(query, ours)) given.set(theirs, '1');
  if (subresource === 'exec') for (const word of query.getAll('command')) given.append('command', word);
  return given;
}

function portParameters(query: URLSearchParams): URLSearchParams {
  const ports = query.getAll('ports').join(',');
  return new URLSearchParams(ports === '' ? [] : [['port', ports]]);
}

/** As query parameters of the API are read: a name alone is true. */
function isTrue(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}

function search(query: URLSearchParams): string {
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
