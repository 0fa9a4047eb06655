import { constants } from 'node:os';
import { KnitError } from '../base/errors.ts';

/** Somebody ended the command: Ctrl-C, `kill`, a closed terminal. */
export class InterruptedError extends KnitError {
  /** As a shell tells it: 128 and the signal's number. */
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super('INTERRUPTED', `ended by ${signal}; what was made is undone`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** Does `work` with a signal that is aborted, with an {@link InterruptedError}, when somebody ends this command. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const end = (signal: NodeJS.Signals) => controller.abort(new InterruptedError(signal));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, end);
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of signals) process.off(signal, end);
  }
}
