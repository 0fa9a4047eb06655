import { createHash } from 'node:crypto';

/**
 * Deals buckets to nodes as Maglev does (Eisenbud et al., NSDI 2016, §3.4): each node has as many as the next one, or
 * one more; a node that comes or goes takes or leaves little more than its own. It depends on the names alone, so that
 * a load balancer that starts again deals as before.
 *
 * Returns for each bucket the index of its node in `names`; empty where there are none. `buckets` is a power of two.
 */
export function dealBuckets(names: readonly string[], buckets: number): number[] {
  if (names.length === 0) return [];
  const preferences = names.map((name) => preferenceOf(name, buckets));
  const order = names.map((_, index) => index).toSorted((a, b) => (names[a]! < names[b]! ? -1 : 1));
  const owners = new Array<number>(buckets).fill(-1);
  for (let dealt = 0; dealt < buckets; ) {
    for (const node of order) {
      if (dealt === buckets) break;
      const bucket = preferences[node]!.next((each) => owners[each] === -1);
      owners[bucket] = node;
      dealt++;
    }
  }
  return owners;
}

/** A node's own order of all buckets: from a start in steps, both by its name. An odd step visits all of a power of two. */
function preferenceOf(name: string, buckets: number): { next(isFree: (bucket: number) => boolean): number } {
  const digest = createHash('sha256').update(name).digest();
  let bucket = digest.readUInt32BE(0) % buckets;
  const step = (digest.readUInt32BE(4) % (buckets / 2)) * 2 + 1;
  return {
    next(isFree) {
      while (!isFree(bucket)) bucket = (bucket + step) % buckets;
      return bucket;
    },
  };
}
