import { statfs } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import type { Running } from '../base/running.ts';
import type { EventType } from '../client/events.ts';
import type { CriClient } from './cri/client.ts';
import type { Image } from './cri/messages.ts';
import { durationOf, type ResolvedSettings } from './settings.ts';

type Cri = Pick<CriClient, 'listImages' | 'listContainers' | 'removeImage'>;

export interface ImageGCOptions {
  readonly cri: Cri;
  readonly settings: ResolvedSettings;
  /** Folder on the disk that holds the images. */
  readonly imageFolder: string;
  /** An event of the node. */
  tell(type: EventType, reason: string, message: string): void;
}

export interface ImageGC extends Running {
  /** Removes every image that nobody uses. */
  removeUnused(): Promise<void>;
}

const LOOK_MS = 300_000;
/** They come with the cluster and can be had nowhere else. */
const SHIPPED = 'knit.dev/';

/**
 * Removes images when their disk is fuller than `imageGCHighThresholdPercent`, until it is no fuller than the low one:
 * those that nobody uses, that whose last use is the longest ago first.
 */
export function startImageGC(options: ImageGCOptions): ImageGC {
  const records = createImageRecords(options.cri);
  const { settings } = options;
  const abort = new AbortController();
  const { signal } = abort;

  const remove = async (bytes: number, minAgeMs: number): Promise<number> => {
    let freed = 0;
    for (const image of removable(await records.look(Date.now()), Date.now(), minAgeMs)) {
      if (freed >= bytes) break;
      await options.cri.removeImage(image.id);
      freed += image.size;
    }
    return freed;
  };

  const look = async () => {
    const { blocks, bavail, bsize } = await statfs(options.imageFolder);
    const usedPercent = 100 - Math.floor((bavail * 100) / blocks);
    if (usedPercent < settings.imageGCHighThresholdPercent) {
      await records.look(Date.now());
      return;
    }
    const wanted = Math.floor(blocks * bsize * (1 - settings.imageGCLowThresholdPercent / 100)) - bavail * bsize;
    const freed = await remove(wanted, durationOf(settings.imageMinimumGCAge));
    if (freed >= wanted) return;
    const text = `Attempted to free ${wanted} bytes, but only found ${freed} bytes eligible to free.`;
    options.tell('Warning', 'FreeDiskSpaceFailed', `Failed to garbage collect required amount of images. ${text}`);
  };

  const running = (async () => {
    // At a threshold of 100 nothing is ever collected: nothing is looked at.
    while (!signal.aborted && settings.imageGCHighThresholdPercent < 100) {
      await look().catch((error: unknown) => options.tell('Warning', 'ImageGCFailed', messageOf(error)));
      await delay(LOOK_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  })();

  return {
    async removeUnused() {
      await remove(Number.POSITIVE_INFINITY, 0);
    },
    async stop() {
      abort.abort();
      await running;
    },
  };
}

interface ImageRecord {
  readonly id: string;
  readonly size: number;
  readonly isShipped: boolean;
  /** In ms. */
  readonly firstSeen: number;
  /** In ms; 0 where it was never seen in use. */
  readonly lastUsed: number;
}

/** In the order in which they go. */
export function removable(records: readonly ImageRecord[], now: number, minAgeMs: number): ImageRecord[] {
  return records
    .filter(({ isShipped, lastUsed, firstSeen }) => !isShipped && lastUsed < now && now - firstSeen >= minAgeMs)
    .toSorted((a, b) => a.lastUsed - b.lastUsed || a.firstSeen - b.firstSeen);
}

function createImageRecords(cri: Cri): { look(now: number): Promise<ImageRecord[]> } {
  let records = new Map<string, ImageRecord>();
  return {
    async look(now) {
      const [images, containers] = await Promise.all([cri.listImages(), cri.listContainers()]);
      const used = new Set(containers.flatMap(({ image, imageRef }) => [image?.image, imageRef]));
      const next = images.map((image): [string, ImageRecord] => {
        const known = records.get(image.id);
        const isUsed = [image.id, ...image.repoTags, ...image.repoDigests].some((name) => used.has(name));
        const { id, size } = image;
        const firstSeen = known?.firstSeen ?? now;
        // In use now is later than any moment at which it could be removed.
        const lastUsed = isUsed ? Number.POSITIVE_INFINITY : lastUse(known, now);
        return [id, { id, size, isShipped: isShipped(image), firstSeen, lastUsed }];
      });
      records = new Map(next);
      return [...records.values()];
    },
  };
}

/** What was in use at the look before was last used about now. */
const lastUse = (known: ImageRecord | undefined, now: number): number =>
  known?.lastUsed === Number.POSITIVE_INFINITY ? now - 1 : (known?.lastUsed ?? 0);

const isShipped = ({ repoTags, pinned }: Image): boolean => pinned || repoTags.some((tag) => tag.startsWith(SHIPPED));
