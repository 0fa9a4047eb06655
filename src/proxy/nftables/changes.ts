import type { Elements } from './elements.ts';

/**
 * What one transaction does to elements, by map and key: what the kernel has and shall not have any more, and what shall
 * come. An element whose value changes is in both.
 */
export class Changes {
  readonly gone: Elements = new Map();
  readonly come: Elements = new Map();
  #size = 0;

  /** How many commands for elements that is, about. */
  get size(): number {
    return this.#size;
  }

  /** `undefined` is an element that is not there. Several notes of one element become one change. */
  note(map: string, key: string, before: string | undefined, after: string | undefined): void {
    if (before === after) return;
    this.#size++;
    const come = of(this.come, map);
    // What this transaction itself was to bring is not in the kernel yet.
    if (before !== undefined && !come.delete(key)) of(this.gone, map).set(key, before);
    if (after === undefined) return;
    const gone = this.gone.get(map);
    if (gone?.get(key) === after) gone.delete(key);
    else come.set(key, after);
  }
}

/** The elements of one map or set; made where there are none yet. */
export function of(elements: Elements, map: string): Map<string, string> {
  let found = elements.get(map);
  if (!found) {
    found = new Map();
    elements.set(map, found);
  }
  return found;
}

/** Notes what makes `after` out of `before`. */
export function noteDifference(before: Elements, after: Elements, changes: Changes): void {
  for (const [map, elements] of before) {
    const wanted = after.get(map);
    for (const [key, value] of elements) changes.note(map, key, value, wanted?.get(key));
  }
  for (const [map, elements] of after) {
    const there = before.get(map);
    for (const [key, value] of elements) if (!there?.has(key)) changes.note(map, key, undefined, value);
  }
}
