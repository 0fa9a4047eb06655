import type { Labels } from '../api/types.ts';
import type { AffinityTerm, PodInfo } from './podinfo.ts';

/** Questions whose answers are kept up to date; the one not asked for the longest time goes first. */
const maxCounters = 256;

/** How many pods of each node pass a test, kept up to date as pods come and go. */
class Counter {
  readonly test: (pod: PodInfo) => boolean;
  readonly byNode = new Map<string, number>();

  constructor(test: (pod: PodInfo) => boolean) {
    this.test = test;
  }

  change(pod: PodInfo, node: string, by: 1 | -1): void {
    if (!this.test(pod)) return;
    const count = (this.byNode.get(node) ?? 0) + by;
    if (count === 0) this.byNode.delete(node);
    else this.byNode.set(node, count);
  }
}

/**
 * Counts of pods by node for the selectors that scheduling asks about. A question is counted over all pods once; from
 * then on each pod's change costs one test a question, so that the thousandth replica is placed as fast as the first.
 */
export class PodCounts {
  readonly #counters = new Map<string, Counter>();

  /** Counts by node of the pods that pass `test`. Tests under one key must be the same. */
  count(
    key: string,
    test: (pod: PodInfo) => boolean,
    all: () => Iterable<readonly [PodInfo, string]>,
  ): ReadonlyMap<string, number> {
    const known = this.#counters.get(key);
    const counter = known ?? new Counter(test);
    if (known) this.#counters.delete(key);
    else for (const [pod, node] of all()) counter.change(pod, node, 1);
    this.#counters.set(key, counter);
    if (this.#counters.size > maxCounters) {
      const oldest = this.#counters.keys().next();
      if (!oldest.done) this.#counters.delete(oldest.value);
    }
    return counter.byNode;
  }

  change(pod: PodInfo, node: string, by: 1 | -1): void {
    for (const counter of this.#counters.values()) counter.change(pod, node, by);
  }

  /** Tests may have changed their minds. */
  clear(): void {
    this.#counters.clear();
  }
}

export interface CountedTerm {
  readonly term: AffinityTerm;
  readonly byNode: Map<string, number>;
}

/** The affinity terms of placed pods: replicas share one entry, so that a term is asked once and not once a pod. */
export class TermIndex {
  readonly #terms = new Map<string, CountedTerm>();

  change(term: AffinityTerm, node: string, by: 1 | -1): void {
    const key = `${term.weight} ${term.key}`;
    const entry = this.#terms.get(key) ?? { term, byNode: new Map<string, number>() };
    const count = (entry.byNode.get(node) ?? 0) + by;
    if (count > 0) entry.byNode.set(node, count);
    else entry.byNode.delete(node);
    if (entry.byNode.size > 0) this.#terms.set(key, entry);
    else this.#terms.delete(key);
  }

  get size(): number {
    return this.#terms.size;
  }

  /** Terms that the pod is meant by. */
  *matching(pod: PodInfo, namespaceLabels: (namespace: string) => Labels): Iterable<CountedTerm> {
    for (const entry of this.#terms.values()) if (entry.term.matches(pod, namespaceLabels)) yield entry;
  }
}
