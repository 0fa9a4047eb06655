/** Somebody who may change what is about to be written. */
export interface Mutator {
  /** `IfNeeded`: asked once more where somebody after it changed the object. */
  readonly reinvocationPolicy: string | undefined;
  /** Changes the object in place; resolves to whether it did. */
  run(): Promise<boolean>;
}

/** All in order, and then those once more who want to see what others made of it. */
export async function runMutators(mutators: readonly Mutator[]): Promise<void> {
  const changesSeen = new Map<Mutator, number>();
  let changes = 0;
  const run = async (mutator: Mutator): Promise<void> => {
    if (await mutator.run()) changes++;
    changesSeen.set(mutator, changes);
  };
  for (const mutator of mutators) await run(mutator);
  for (const mutator of mutators) {
    const isStale = (changesSeen.get(mutator) ?? 0) < changes;
    if (isStale && mutator.reinvocationPolicy === 'IfNeeded') await run(mutator);
  }
}
