import { type Attached, onLine, startAttached } from '../kernel/attached.ts';
import type { ProbeOrder, ProbeReport } from './probe.ts';

/** What came of a probe. */
export interface ProbeOutcome {
  readonly connected: boolean;
  /** The beginning of what came back. */
  readonly answer?: string;
  /** `ECONNREFUSED`, `ETIMEDOUT`, …: why there was no answer. */
  readonly failure?: string;
}

/** A probe that waits in its place until it is told to send. */
export interface Sender {
  /** Resolves when it waits; throws where it cannot be started. */
  readonly ready: Promise<void>;
  send(): void;
  readonly outcome: Promise<ProbeOutcome>;
  stop(): Promise<void>;
}

/** `command` is the probe program, with what comes before it to run it in its place. */
export function startSender(command: readonly string[], order: ProbeOrder): Sender {
  const probe = startAttached([...command, JSON.stringify(order)]);
  const reports = Promise.withResolvers<void>();
  const { promise: outcome, resolve } = Promise.withResolvers<ProbeOutcome>();
  let state: ProbeOutcome = { connected: false };
  onLine(probe, (line) => {
    const report = JSON.parse(line) as ProbeReport;
    if (report.event === 'ready') reports.resolve();
    if (report.event === 'connected') state = { ...state, connected: true };
    if (report.event === 'answered') state = { ...state, answer: report.text };
    if (report.event === 'failed') state = { ...state, failure: report.code };
    if (report.event === 'failed' || report.event === 'ended') resolve(state);
  });
  void probe.ended.then((said) => {
    reports.reject(new Error(`the probe did not start: ${said.trim()}`));
    resolve({ ...state, failure: state.failure ?? said.trim() });
  });
  reports.promise.catch(() => undefined); // who waits for it is told
  return {
    ready: reports.promise,
    send: () => void probe.child.stdin?.write('send\n'),
    outcome,
    stop: () => stopped(probe),
  };
}

async function stopped(probe: Attached): Promise<void> {
  await probe.stop('SIGKILL');
}
