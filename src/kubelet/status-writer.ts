import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { pods } from '../api/resource.ts';
import type { Pod, PodStatus } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Client, isNotFound } from '../client/client.ts';
import { isResizing } from './pod-conditions.ts';
import { isStatic } from './static-pods/manifests.ts';

type Condition = NonNullable<PodStatus['conditions']>[number];

/** Brings a pod's status to the API server, the newest one only and one request at a time. */
export interface StatusWriter {
  /** Returns at once. What is `passing` is told where nothing newer comes within a second. */
  write(pod: Pod, status: PodStatus, passing?: boolean): void;
  /** Resolves when the last status has arrived, or the pod is gone, or `stop` was called. */
  flush(): Promise<void>;
  /** What was written is there no more: the next status is written whatever it says. */
  forget(): void;
  /** Whether somebody has said since of the pod, as it is now, that it is ready or not, and it was told otherwise. */
  isContradictedBy(pod: Pod): boolean;
  stop(): void;
}

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;
const PASSING_MS = 1_000;

/** `changed` is told each status that differs from the one before. */
export function createStatusWriter(
  client: Client,
  log: Log,
  changed: (before: PodStatus | undefined, now: PodStatus) => void,
): StatusWriter {
  const abort = new AbortController();
  let sent: PodStatus | undefined;
  let sentAs = 0;
  let next: { readonly pod: Pod; readonly status: PodStatus } | undefined;
  let running: Promise<void> | undefined;
  let passing: { readonly pod: Pod; readonly status: PodStatus; readonly until: number } | undefined;
  let timer: NodeJS.Timeout | undefined;

  const send = async () => {
    let retryMs = FIRST_RETRY_MS;
    while (next && !abort.signal.aborted) {
      const { pod, status } = next;
      const { name = '', namespace = '', uid } = pod.metadata ?? {};
      next = undefined;
      try {
        // The uid makes the server refuse this for another pod of the same name; a static pod's is not the mirror's.
        const patch = { ...(isStatic(pod) ? {} : { metadata: { uid } }), status: patchOf(status, sent ?? pod.status) };
        const written = await client.patch(pods, { name, namespace }, 'strategic', patch, 'status');
        sent = status;
        sentAs = Number(written.metadata?.resourceVersion);
      } catch (error) {
        if (isNotFound(error)) return;
        if (retryMs === FIRST_RETRY_MS) {
          log.warn('cannot report a pod’s status yet', { pod: `${namespace}/${name}`, error: messageOf(error) });
        }
        next ??= { pod, status };
        retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
        await delay(retryMs, undefined, { signal: abort.signal, ref: false }).catch(() => undefined);
      }
    }
  };

  const begin = () => {
    running = send().finally(() => {
      running = undefined;
      // What came after the last look, and before this.
      if (next && !abort.signal.aborted) begin();
    });
  };

  const write = (pod: Pod, status: PodStatus, isPassing = false) => {
    const now = performance.now();
    const until = isPassing ? (passing?.until ?? now + PASSING_MS) : now;
    clearTimeout(timer);
    passing = undefined;
    const current = next?.status ?? sent ?? pod.status;
    if (isDeepStrictEqual(comparable(current ?? {}), comparable(status))) return;
    if (until > now) {
      passing = { pod, status, until };
      timer = setTimeout(tellPassing, until - now);
      timer.unref();
      return;
    }
    changed(current, status);
    next = { pod, status };
    if (!running) begin();
  };
  const tellPassing = () => {
    if (passing) write(passing.pod, passing.status);
  };

  return {
    write,
    async flush() {
      tellPassing();
      while (running) await running;
    },
    forget() {
      sent = undefined;
    },
    isContradictedBy: ({ metadata, status }) =>
      sent !== undefined && Number(metadata?.resourceVersion) > sentAs && readiness(status) !== readiness(sent),
    stop() {
      clearTimeout(timer);
      abort.abort();
    },
  };
}

const readiness = (status: PodStatus | undefined): string | undefined =>
  status?.conditions?.find(({ type }) => type === 'Ready')?.status;

/** Fields of a status that may go away, and so must be deleted by name. */
const REMOVABLE = ['podIP', 'reason', 'message'] as const;

/** Lists that a strategic merge would add to are replaced where they have changed. */
function patchOf(status: PodStatus, before: PodStatus | undefined): unknown {
  const patch: Record<string, unknown> = { ...status };
  for (const field of REMOVABLE) if (before?.[field] !== undefined && status[field] === undefined) patch[field] = null;
  for (const field of ['podIPs', 'hostIPs'] as const) {
    if (!before?.[field] || isDeepStrictEqual(before[field], status[field])) continue;
    patch[field] = [{ $patch: 'replace' }, ...(status[field] ?? [])];
  }
  const gone = (before?.conditions ?? []).filter(
    ({ type }) => isResizing(type) && !status.conditions?.some((one) => one.type === type),
  );
  patch.conditions = [
    ...(status.conditions ?? []).map((condition) => withoutStaleReason(condition, before)),
    ...gone.map(({ type }) => ({ $patch: 'delete', type })),
  ];
  return patch;
}

/** Conditions merge by type: a reason or message that no longer holds must be deleted by name. */
function withoutStaleReason(condition: Condition, before: PodStatus | undefined): unknown {
  const old = before?.conditions?.find(({ type }) => type === condition.type);
  const stale = (['reason', 'message'] as const).filter((field) => old?.[field] && !condition[field]);
  return { ...condition, ...Object.fromEntries(stale.map((field) => [field, null])) };
}

/** Without the keys that hold nothing, so that what the server left out does not count as a change. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, part]) => part !== null && part !== undefined);
  return Object.fromEntries(entries.map(([key, part]) => [key, comparable(part)]));
}
