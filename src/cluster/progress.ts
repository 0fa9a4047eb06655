/** How a long command tells what it does: one step after another, each begun and ended. */
export interface Progress {
  /** Runs a step under a title in the present participle: `Starting three nodes`. */
  step<T>(title: string, work: () => Promise<T>): Promise<T>;
  /** A line that is no step: a warning, a choice that was made. */
  note(text: string): void;
}

/** For programs and tests. */
export const silent: Progress = {
  step: (_title, work) => work(),
  note: () => undefined,
};
