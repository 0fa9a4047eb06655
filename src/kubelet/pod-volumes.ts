import type { Pod } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { KubeletContext } from './context.ts';
import type { FieldSource } from './fields.ts';
import { hasChangingVolumes, prepareVolumes, removeVolumes, type VolumePaths } from './volumes/volumes.ts';

/** How often configMap, secret and token volumes are brought up to date; a tenth is added by chance. */
const REFRESH_MS = 60_000;

/** One pod's volumes: made once, and brought up to date from time to time. */
export class PodVolumes {
  readonly #kubelet: KubeletContext;
  #paths: VolumePaths | undefined;
  /** By the monotonic clock: the time of day may be set back. */
  #refreshAt = 0;
  #released = false;

  constructor(kubelet: KubeletContext) {
    this.#kubelet = kubelet;
  }

  /** What they are made of has changed. */
  expire(): void {
    this.#refreshAt = 0;
  }

  /** ms until they have to be looked at again; `undefined` where nothing in them may change. */
  dueIn(pod: Pod): number | undefined {
    return hasChangingVolumes(pod) ? Math.max(1, this.#refreshAt - performance.now()) : undefined;
  }

  /** The pod has ended: what its volumes hold, in memory or on the disk, is free again. */
  async release(uid: string): Promise<void> {
    if (this.#released) return;
    await removeVolumes(uid, this.#kubelet.paths);
    this.#released = true;
  }

  async paths(pod: Pod, fields: FieldSource): Promise<VolumePaths> {
    if (this.#paths && performance.now() < this.#refreshAt) return this.#paths;
    const { config, tokens, claims, paths, events } = this.#kubelet;
    try {
      this.#paths = await prepareVolumes(pod, paths, { fields, config, tokens, claims });
    } catch (error) {
      events.pod(pod, 'Warning', 'FailedMount', messageOf(error));
      // Volumes that were there once go on as they are, whatever has become of their sources.
      if (!this.#paths) throw error;
    }
    this.#refreshAt = performance.now() + REFRESH_MS * (1 + Math.random() / 10);
    return this.#paths;
  }
}
