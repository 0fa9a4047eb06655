import type { Job, Pod } from '../../api/types.ts';

/** Of pods of an Indexed job: which of its parts the pod does. */
export const INDEX = 'batch.kubernetes.io/job-completion-index';

export const isIndexed = (job: Job): boolean => job.spec?.completionMode === 'Indexed';

/** `undefined` where the pod has none that is a number. */
export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata?.annotations?.[INDEX];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** `1,3-5,7` as numbers below `end`. */
export function parseIndexes(text: string | undefined, end = Number.POSITIVE_INFINITY): Set<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? '').split(',').filter((each) => each !== '')) {
    const [first = 0, last = first] = part.split('-').map(Number);
    for (let index = first; index <= last && index < end; index++) indexes.add(index);
  }
  return indexes;
}

/** Numbers as `1,3-5,7`; `undefined` where there are none. */
export function formatIndexes(indexes: ReadonlySet<number>): string | undefined {
  const parts: string[] = [];
  let start: number | undefined;
  const sorted = [...indexes].sort((a, b) => a - b);
  for (const [at, index] of sorted.entries()) {
    start ??= index;
    if (sorted[at + 1] === index + 1) continue;
    parts.push(
      ...(index - start > 1 ? [`${start}-${index}`] : start === index ? [`${index}`] : [`${start}`, `${index}`]),
    );
    start = undefined;
  }
  return parts.length > 0 ? parts.join(',') : undefined;
}
