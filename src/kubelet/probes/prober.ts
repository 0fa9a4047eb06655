import { setTimeout as delay } from 'node:timers/promises';
import type { Container, Pod, Probe } from '../../api/types.ts';
import type { CriClient } from '../cri/client.ts';
import type { PodEvents } from '../pod-events.ts';
import type { ProbeVerdicts } from '../pod-plan.ts';
import type { ContainerRecord } from '../pod-runtime.ts';
import { check } from './check.ts';

export interface Prober extends ProbeVerdicts {
  /**
   * Starts the probes of a running container, once. `was` is what was reported of it before this kubelet started: it
   * stays so until a probe says otherwise.
   */
  watch(pod: Pod, container: Container, record: ContainerRecord, podIP: string, was: WasReported): void;
  /** Ends the probes that restart containers: of a pod that is being ended only readiness is asked on. */
  ending(uid: string): void;
  /** Ends the probes of all containers of a pod but these. */
  keep(uid: string, containerIds: ReadonlySet<string>): void;
  stop(): void;
}

export interface WasReported {
  readonly started: boolean;
  readonly ready: boolean;
}

interface Watched {
  readonly uid: string;
  readonly abort: AbortController;
  /** Of the liveness and startup probes. */
  readonly restarting: AbortController;
  started: boolean;
  ready: boolean;
  failed: 'liveness' | 'startup' | undefined;
  /** Fires when the startup probe has succeeded: the others begin only then. */
  readonly whenStarted: PromiseWithResolvers<void>;
}

type ProbeKind = 'liveness' | 'readiness' | 'startup';

/** First intervals between two tries for a container that has not answered yet, in ms; doubled afterwards. */
const FIRST_INTERVAL_MS = 25;

export function createProber(cri: CriClient, events: PodEvents, changed: (uid: string) => void): Prober {
  const watched = new Map<string, Watched>();

  const settle = (state: Watched, kind: ProbeKind, ok: boolean) => {
    const before = `${state.started} ${state.ready} ${state.failed}`;
    if (kind === 'readiness') state.ready = ok;
    else if (!ok) state.failed = kind;
    else if (kind === 'startup') {
      state.started = true;
      state.whenStarted.resolve();
    }
    if (before !== `${state.started} ${state.ready} ${state.failed}`) changed(state.uid);
  };

  return {
    started: (id) => watched.get(id)?.started ?? false,
    ready: (id) => watched.get(id)?.ready ?? false,
    failed: (id) => watched.get(id)?.failed,
    watch(pod, container, record, podIP, was) {
      if (watched.has(record.id)) return;
      const { livenessProbe, readinessProbe, startupProbe } = container;
      const state: Watched = {
        uid: pod.metadata?.uid ?? '',
        abort: new AbortController(),
        restarting: new AbortController(),
        started: !startupProbe || was.started,
        ready: !readinessProbe || was.ready,
        failed: undefined,
        whenStarted: Promise.withResolvers(),
      };
      if (state.started) state.whenStarted.resolve();
      watched.set(record.id, state);
      const context = { cri, events, pod, container, record, podIP, state, settle };
      if (startupProbe && !state.started) follow(startupProbe, 'startup', context);
      if (readinessProbe) follow(readinessProbe, 'readiness', context);
      if (livenessProbe) follow(livenessProbe, 'liveness', context);
    },
    ending(uid) {
      for (const state of watched.values()) if (state.uid === uid) state.restarting.abort();
    },
    keep(uid, containerIds) {
      for (const [id, state] of watched) {
        if (state.uid !== uid || containerIds.has(id)) continue;
        end(state);
        watched.delete(id);
      }
    },
    stop() {
      for (const state of watched.values()) end(state);
      watched.clear();
    },
  };
}

function end({ abort, restarting }: Watched): void {
  abort.abort();
  restarting.abort();
}

interface Context {
  readonly cri: CriClient;
  readonly events: PodEvents;
  readonly pod: Pod;
  readonly container: Container;
  readonly record: ContainerRecord;
  readonly podIP: string;
  readonly state: Watched;
  readonly settle: (state: Watched, kind: ProbeKind, ok: boolean) => void;
}

function follow(probe: Probe, kind: ProbeKind, context: Context): void {
  const { abort, restarting } = context.state;
  const { signal } = kind === 'readiness' ? abort : restarting;
  runProbe(probe, kind, context, signal).catch((error: unknown) => {
    // Waiting ends with the container; nothing else can throw, `check` does not.
    if (!signal.aborted) throw error;
  });
}

async function runProbe(probe: Probe, kind: ProbeKind, context: Context, signal: AbortSignal): Promise<void> {
  const { state, record, container, pod } = context;
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  const periodMs = (probe.periodSeconds ?? 10) * 1000;
  const target = { cri: context.cri, container, containerId: record.id, podIP: context.podIP };
  const name = `${kind[0]?.toUpperCase()}${kind.slice(1)}`;
  const told = (reason: string, text: string) =>
    context.events.container(pod, container, 'Warning', reason, `${name} probe ${text}`);
  const ask = async () => {
    const result = await check(probe, target, timeoutMs);
    if (result.warning !== undefined && !signal.aborted) told('ProbeWarning', `warning: ${result.warning}`);
    return result;
  };
  if (kind !== 'startup') await state.whenStarted.promise;
  const age = Date.now() - record.status.startedAt / 1e6;
  await sleep((probe.initialDelaySeconds ?? 0) * 1000 - age, signal);

  let streak = 0;
  if (kind !== 'liveness' && (await answersSoon(ask, periodMs, signal))) streak = 1;
  let last = streak > 0;
  for (;;) {
    const needed = last ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
    if (streak >= needed) {
      context.settle(state, kind, last);
      if (kind === 'startup') return;
    }
    if (streak > 0) await sleep(periodMs, signal);
    const { ok, message, isUnknown } = await ask();
    signal.throwIfAborted();
    streak = ok === last ? streak + 1 : 1;
    last = ok;
    if (!ok) told('Unhealthy', `${isUnknown ? 'errored and resulted in unknown state' : 'failed'}: ${message}`);
  }
}

/**
 * A container that has just started is asked at short, growing intervals until it answers or one period has gone; these
 * failures count for nothing. The kubelet asks once a period, and a server that listens after 30 ms is seen as ready
 * only a period later: with the usual 10 s that is most of the time a rollout takes.
 */
async function answersSoon(
  ask: () => Promise<{ ok: boolean }>,
  periodMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = Date.now() + periodMs;
  for (let interval = FIRST_INTERVAL_MS; ; interval *= 2) {
    const { ok } = await ask();
    signal.throwIfAborted();
    if (ok) return true;
    const left = deadline - Date.now();
    if (left <= 0) return false;
    await sleep(Math.min(interval, left), signal);
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (ms > 0) await delay(ms, undefined, { signal, ref: false });
}
