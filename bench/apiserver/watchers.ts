import type { Requests } from './requests.ts';

/** Opens many watches, and tells how long a change takes until each of them has it, and what the change cost. */
export async function openWatches(requests: Requests, path: string, count: number) {
  const responses = await Promise.all(Array.from({ length: count }, () => requests.open('GET', path)));
  let waiting = 0;
  let all: () => void = () => undefined;
  for (const response of responses) {
    response.on('data', (chunk: Buffer) => {
      if (!chunk.includes('"marker"')) return;
      waiting--;
      if (waiting === 0) all();
    });
  }
  return {
    /** Milliseconds from the start of the change to the last watcher's event. */
    async until(change: () => Promise<unknown>): Promise<number> {
      waiting = count;
      const { promise, resolve } = Promise.withResolvers<void>();
      all = resolve;
      const began = performance.now();
      await Promise.all([promise, change()]);
      return performance.now() - began;
    },
    close(): void {
      for (const response of responses) response.destroy();
    },
  };
}
