import type { Container, Pod } from '../api/types.ts';

/** What the kubelet's events of a resize say: how it stands, and what each container is to have. */
export function resizeMessage(pod: Pod, how: string, error?: string): string {
  const { initContainers = [], containers = [] } = pod.spec ?? {};
  const summary = {
    ...(initContainers.length > 0 ? { initContainers: initContainers.map(allocation) } : {}),
    ...(containers.length > 0 ? { containers: containers.map(allocation) } : {}),
    generation: pod.metadata?.generation ?? 0,
    ...(error ? { error } : {}),
  };
  return `Pod resize ${how}: ${JSON.stringify(summary)}`;
}

function allocation({ name, resources = {} }: Container): object {
  const { limits, requests } = resources;
  return {
    name,
    resources: { ...(limits ? { limits: sorted(limits) } : {}), ...(requests ? { requests: sorted(requests) } : {}) },
  };
}

const sorted = (amounts: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => (a < b ? -1 : 1)));
