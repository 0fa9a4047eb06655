/**
 * Calls `action` `count` times in batches of 1, 2, 4, 8 … and stops after the batch in which one fails, so that what
 * cannot work (a quota, an admission that refuses) is not tried a thousand times. Returns how many went well and the
 * first error.
 */
export async function slowStart(
  count: number,
  action: () => Promise<void>,
): Promise<{ readonly done: number; readonly error?: unknown }> {
  let done = 0;
  for (let size = 1; done < count; size *= 2) {
    const results = await Promise.allSettled(Array.from({ length: Math.min(size, count - done) }, action));
    done += results.filter((result) => result.status === 'fulfilled').length;
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) return { done, error: failed.reason };
  }
  return { done };
}
