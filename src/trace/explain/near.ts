import type { Labels } from '../../api/types.ts';

/** How many letters have to change, or two neighbours to change places, to make one word of the other. */
export function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          at(i, j - 1) + 1,
          at(i - 1, j - 1) + same,
          swapped ? at(i - 2, j - 2) + 1 : Infinity,
        ),
      );
    }
  }
  return at(a.length, b.length);
}

/** The words that may have been meant, the likeliest first. */
export function nearest(word: string, words: Iterable<string>, most = 3): string[] {
  const limit = Math.max(1, Math.floor(word.length / 3));
  return [...new Set(words)]
    .map((each) => ({ each, away: distance(word, each) }))
    .filter(({ each, away }) => away <= limit || each.startsWith(word) || word.startsWith(each))
    .sort((a, b) => a.away - b.away)
    .slice(0, most)
    .map(({ each }) => each);
}

/** The labels that come nearest to a selector: how many of its terms they have, and which they have otherwise. */
export function nearestLabels(
  selector: Labels,
  all: Iterable<Labels>,
): { readonly labels: Labels; readonly missing: readonly string[] } | undefined {
  let best: { labels: Labels; missing: string[]; score: number } | undefined;
  for (const labels of all) {
    const missing = Object.keys(selector).filter((key) => labels[key] !== selector[key]);
    // A label with the same key, or nearly the same value, was meant.
    const close = missing.map((key) =>
      labels[key] === undefined ? 1 : distance(labels[key], selector[key] ?? '') / (labels[key].length + 1),
    );
    const score = missing.length + close.reduce((sum, each) => sum + each, 0);
    if (!best || score < best.score) best = { labels, missing, score };
  }
  if (!best) return undefined;
  const related =
    best.missing.length < Object.keys(selector).length || best.missing.some((key) => best.labels[key] !== undefined);
  return related ? best : undefined;
}
