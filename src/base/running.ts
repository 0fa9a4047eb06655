/** Something that was started and can be ended. `stop` may be called twice; it resolves when nothing of it runs. */
export interface Running {
  stop(): Promise<void>;
}
