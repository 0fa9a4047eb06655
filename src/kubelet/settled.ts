import { waitFor } from '../base/wait.ts';
import { type CriClient, isRuntimeNotFound } from './cri/client.ts';
import { containerState, sandboxState } from './cri/messages.ts';

/**
 * Resolves when CRI too says that a container, or a sandbox, has ended: the runtime tells of the end of a process a few
 * milliseconds before its CRI part has taken note.
 */
export async function settled(cri: CriClient, id: string): Promise<void> {
  await waitFor(() => hasEnded(cri, id), { what: `the end of ${id}`, timeoutMs: 5_000, intervalMs: 5 });
}

async function hasEnded(cri: CriClient, id: string): Promise<boolean> {
  try {
    const { state } = await cri.containerStatus(id);
    return state !== containerState.running;
  } catch (error) {
    if (!isRuntimeNotFound(error)) throw error;
    return await sandboxHasEnded(cri, id);
  }
}

async function sandboxHasEnded(cri: CriClient, id: string): Promise<boolean> {
  try {
    return (await cri.podSandboxStatus(id)).state !== sandboxState.ready;
  } catch (error) {
    if (isRuntimeNotFound(error)) return true;
    throw error;
  }
}
