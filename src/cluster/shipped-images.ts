import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import type { ShippedImages } from '../kubelet/index.ts';
import { importArchive } from './images.ts';
import { distFolder } from './processes.ts';

/** A node that nobody asks for the rest loads it after this time, when a boot is over. */
const restDelayMs = 2000;

/**
 * Loads the images that ship with knit into a node's containerd: at once what sandboxes and DNS need, the rest when it
 * is asked for or the boot is over. What cannot be loaded is logged; pods then say that their image is not there.
 */
export function loadShippedImages(socket: string, log: Log): ShippedImages {
  const load = async (name: string): Promise<void> => {
    const archive = join(distFolder, 'images', name);
    if (!existsSync(archive)) return;
    try {
      // containerd makes its socket when it is ready; asking before that costs a process each time.
      await waitFor(() => existsSync(socket), { what: 'containerd', timeoutMs: 60_000, intervalMs: 10 });
      await waitFor(() => importArchive(socket, archive), {
        what: `containerd to take ${archive}`,
        timeoutMs: 60_000,
        intervalMs: 50,
      });
    } catch (error) {
      log.error('cannot load an image that ships with knit', { error });
    }
  };
  const sandbox = load('base.tar');
  let rest: Promise<void> | undefined;
  const loadRest = () => {
    rest ??= sandbox.then(() => load('lab.tar'));
    return rest;
  };
  setTimeout(loadRest, restDelayMs).unref();
  return { sandbox, rest: loadRest };
}
