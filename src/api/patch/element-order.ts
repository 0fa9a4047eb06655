import type { Json } from './json.ts';

/** What makes two elements of a list the same: their merge key's value, or they themselves. */
export type Identity = (element: Json) => Json | undefined;

/**
 * Puts a merged list into order: elements that `wanted` names in its order, all others in the order they have in
 * `live`; where the two meet, an element goes before another if it did so in `live`, and what is new goes first.
 *
 * Source: the design of order in strategic merge patch (kubernetes/design-proposals-archive,
 * cli/preserve-order-in-strategic-merge-patch.md).
 */
export function orderElements(
  merged: readonly Json[],
  wanted: readonly Json[],
  live: readonly Json[],
  identity: Identity,
): Json[] {
  const wantedIndex = indexBy(wanted, identity);
  const liveIndex = indexBy(live, identity);
  const rank = (index: ReadonlyMap<Json | undefined, number>) => (element: Json) =>
    index.get(identity(element)) ?? Number.MAX_SAFE_INTEGER;
  const named = sortBy(
    merged.filter((element) => wantedIndex.has(identity(element))),
    rank(wantedIndex),
  );
  const others = sortBy(
    merged.filter((element) => !wantedIndex.has(identity(element))),
    rank(liveIndex),
  );
  const result: Json[] = [];
  let next = 0;
  for (const element of named) {
    const place = liveIndex.get(identity(element));
    while (place !== undefined && next < others.length) {
      const other = liveIndex.get(identity(others[next]!));
      if (other === undefined || other > place) break;
      result.push(others[next++]!);
    }
    result.push(element);
  }
  return result.concat(others.slice(next));
}

function indexBy(list: readonly Json[], identity: Identity): Map<Json | undefined, number> {
  const index = new Map<Json | undefined, number>();
  list.forEach((element, place) => {
    const key = identity(element);
    if (!index.has(key)) index.set(key, place);
  });
  return index;
}

function sortBy(list: readonly Json[], rank: (element: Json) => number): Json[] {
  return list.toSorted((a, b) => rank(a) - rank(b));
}
