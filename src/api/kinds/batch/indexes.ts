// Indexes of a job's pods as text: `1,3-5`, all below the number of completions, each named once and in order.

/** How many indexes the text names, or what is wrong with it. */
export function countIndexes(text: string, completions: number): number | string {
  let [total, last] = [0, -Infinity];
  for (const part of text === '' ? [] : text.split(',')) {
    const interval = intervalOf(part, completions);
    if (typeof interval === 'string') return interval;
    const [first, until] = interval;
    if (last >= first) return `non-increasing order, previous: ${last}, current: ${first}`;
    total += until - first + 1;
    last = until;
  }
  return total;
}

/** The first and the last index of `3-5`, or what is wrong with it. */
function intervalOf(part: string, completions: number): readonly [number, number] | string {
  const ends = part.split('-');
  if (ends.length > 2) {
    return `the fragment ${JSON.stringify(part)} violates the requirement that an index interval can have at most two parts separated by '-'`;
  }
  for (const end of ends) {
    if (!/^\+?\d+$/.test(end)) return `cannot convert string to integer for index: ${JSON.stringify(end)}`;
    if (Number(end) >= completions) return `too large index: ${JSON.stringify(end)}`;
  }
  const [first = 0, until = first] = ends.map(Number);
  if (ends.length === 2 && first >= until) return `non-increasing order, previous: ${first}, current: ${until}`;
  return [first, until];
}

/** The first index that both texts name; of what cannot be read nothing is said here. */
export function overlapOf(one: string, other: string, completions: number): number | undefined {
  const read = (text: string) =>
    (text === '' ? [] : text.split(','))
      .map((part) => intervalOf(part, completions))
      .filter((interval) => typeof interval !== 'string');
  const others = read(other);
  for (const [first, until] of read(one)) {
    const hit = others.find(([start, end]) => first <= end && start <= until);
    if (hit) return Math.max(first, hit[0]);
  }
  return undefined;
}
