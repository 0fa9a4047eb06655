import { KnitError } from '../base/errors.ts';
import { type Attached, onLine, startAttached } from '../kernel/attached.ts';
import type { ProbeOrder, ProbeReport, TlsOutcome } from './probe.ts';

/** What came of one connection. */
export interface ProbeOutcome {
  readonly connected: boolean;
  /** The beginning of what came back. */
  readonly answer?: string;
  /** `ECONNREFUSED`, `ETIMEDOUT`, …: why there was no answer. */
  readonly failure?: string;
  /** Where TLS was asked for, and its handshake came to an end. */
  readonly tls?: TlsOutcome;
}

/** A probe that waits in its place until it is told to send. */
export interface Sender {
  /** The n-th connection's source port, or the id of its echo. */
  readonly ports: readonly number[];
  /** Resolves when it waits; throws `PROBE_FAILED`. */
  readonly ready: Promise<void>;
  /** Looks the target's name up. Throws `NAME_UNKNOWN`. */
  resolve(): Promise<string>;
  /** Makes the next connection. */
  send(): Promise<ProbeOutcome>;
  stop(): Promise<void>;
}

/** `command` is the probe program, with what comes before it to run it in its place. */
export function startSender(command: readonly string[], order: ProbeOrder): Sender {
  const probe = startAttached([...command, JSON.stringify(order)]);
  const reports = reportsOf(probe, (line) => [JSON.parse(line) as ProbeReport]);
  let last: Promise<unknown> = Promise.resolve();
  const ask = (line: string): Promise<ProbeReport> => {
    const report = last.then(() => {
      probe.child.stdin?.write(`${line}\n`);
      return reports.next();
    });
    last = report;
    return report;
  };
  return {
    ports: order.localPorts,
    ready: ready(reports.next()),
    async resolve() {
      const report = await ask('resolve');
      if (report.event === 'resolved') return report.address;
      const failure = report.event === 'ended' ? report.failure : undefined;
      throw new KnitError('NAME_UNKNOWN', `the name ${order.host} has no address here (${failure ?? 'no answer'})`);
    },
    send: async () => outcomeOf(await ask('send')),
    async stop() {
      await probe.stop('SIGKILL');
    },
  };
}

/** Echo requests, a process each. `ping` takes an address, and has its process' id as the echo's. */
export function startPings(ping: readonly string[], host: string, count: number, timeoutMs: number): Sender {
  const wait = 'echo ready; read -r go || exit 1; exec "$@"';
  const seconds = String(Math.max(1, Math.ceil(timeoutMs / 1000)));
  const probes = Array.from({ length: count }, () => {
    const probe = startAttached(['sh', '-c', wait, 'sh', ...ping, '-c', '1', '-W', seconds, host]);
    return { probe, reports: reportsOf(probe, readPing) };
  });
  const waiting = probes.values();
  return {
    ports: probes.map(({ probe }) => (probe.child.pid ?? 0) & 0xffff),
    ready: Promise.all(probes.map(({ reports }) => ready(reports.next()))).then(() => undefined),
    resolve: async () => host,
    async send() {
      const next = waiting.next().value;
      if (!next) return { connected: false };
      next.probe.child.stdin?.write('send\n');
      return outcomeOf(await next.reports.next());
    },
    async stop() {
      await Promise.all(probes.map(({ probe }) => probe.stop('SIGKILL')));
    },
  };
}

/** busybox counts at its end: `1 packets transmitted, 1 packets received, 0% packet loss`. */
function readPing(line: string): ProbeReport[] {
  if (line === 'ready') return [{ event: 'ready' }];
  const received = /(\d+) packets received/.exec(line)?.[1];
  if (received === undefined) return [];
  return [{ event: 'ended', connected: received !== '0', ...(received === '0' ? { failure: 'ETIMEDOUT' } : {}) }];
}

async function ready(first: Promise<ProbeReport>): Promise<void> {
  const report = await first;
  if (report.event === 'ready') return;
  throw new KnitError('PROBE_FAILED', `the probe did not start: ${outcomeOf(report).failure ?? 'it ended'}`);
}

function outcomeOf(report: ProbeReport): ProbeOutcome {
  if (report.event !== 'ended') return { connected: false };
  const { event: _, ...outcome } = report;
  return outcome;
}

/** A probe's reports one after another; after its end, that it failed. */
function reportsOf(probe: Attached, read: (line: string) => ProbeReport[]): { next(): Promise<ProbeReport> } {
  const come: ProbeReport[] = [];
  let wake: (() => void) | undefined;
  let end: ProbeReport | undefined;
  onLine(probe, (line) => {
    come.push(...read(line));
    wake?.();
  });
  void probe.ended.then((said) => {
    end = { event: 'ended', connected: false, failure: said.trim() || 'it ended' };
    wake?.();
  });
  return {
    async next() {
      while (come.length === 0 && !end) await new Promise<void>((resolve) => (wake = resolve));
      return come.shift() ?? end ?? { event: 'ended', connected: false };
    },
  };
}
