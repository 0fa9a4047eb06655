/** The index of the first element from which on `reached` holds, which does for all later ones; the length where there is none. */
export function firstIndex<T>(sorted: readonly T[], reached: (element: T) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (reached(sorted[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}
