/**
 * Calls `action` for each of `items` in batches of 1, 2, 4, 8 … and stops after the batch in which one fails, so that
 * what cannot work (a quota, an admission that refuses) is not tried a thousand times. Returns how many went well and
 * the first error.
 */
export async function slowStart<T>(
  items: readonly T[],
  action: (item: T) => Promise<void>,
): Promise<{ readonly done: number; readonly error?: unknown }> {
  let done = 0;
  for (let size = 1; done < items.length; size *= 2) {
    const results = await Promise.allSettled(items.slice(done, done + size).map(action));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed)
      return { done: done + results.filter(({ status }) => status === 'fulfilled').length, error: failed.reason };
    done += results.length;
  }
  return { done };
}
