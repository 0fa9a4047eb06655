import { waitFor } from '../base/wait.ts';
import { type CriClient, isRuntimeNotFound } from './cri/client.ts';
import { containerState, sandboxState } from './cri/messages.ts';

type Cri = Pick<CriClient, 'containerStatus' | 'podSandboxStatus'>;

/**
 * Resolves when CRI too says that a container, or a sandbox, has ended: the runtime tells of the end of a process a few
 * milliseconds before its CRI part has taken note, and of a short process even before CRI calls it running.
 */
export async function settled(cri: Cri, id: string): Promise<void> {
  const ended = await containerHasEnded(cri, id);
  if (ended === true) return;
  const look =
    ended === false ? async () => (await containerHasEnded(cri, id)) !== false : () => sandboxHasEnded(cri, id);
  await waitFor(look, { what: `the end of ${id}`, timeoutMs: 5_000, intervalMs: 5 });
}

/** Undefined where there is no such container: the runtime logs an error for each such question, so ask it once. */
async function containerHasEnded(cri: Cri, id: string): Promise<boolean | undefined> {
  try {
    const { state } = await cri.containerStatus(id);
    return state !== containerState.created && state !== containerState.running;
  } catch (error) {
    if (isRuntimeNotFound(error)) return undefined;
    throw error;
  }
}

async function sandboxHasEnded(cri: Cri, id: string): Promise<boolean> {
  try {
    return (await cri.podSandboxStatus(id)).state !== sandboxState.ready;
  } catch (error) {
    if (isRuntimeNotFound(error)) return true;
    throw error;
  }
}
