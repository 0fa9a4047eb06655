import type { Pod } from '../../api/types.ts';
import { HttpError } from './answer.ts';
import type { RuntimeView } from './runtime.ts';

export function findPod(view: RuntimeView, namespace: string, name: string): Pod {
  const pod = view.pods().find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name);
  if (!pod) throw new HttpError(404, `pod "${name}" does not exist`);
  return pod;
}

/** A pod's containers of all three sorts. */
export function containersOf(pod: Pod): readonly { readonly name: string; readonly tty?: boolean }[] {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers, ...ephemeralContainers];
}
