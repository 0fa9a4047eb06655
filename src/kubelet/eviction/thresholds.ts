import type { Pressure } from '../node-status.ts';
import { quantity } from '../resources.ts';
import { durationOf, type ResolvedSettings } from '../settings.ts';

/** What is looked at to see that a node runs short of something. */
export const SIGNALS = {
  'memory.available': { condition: 'MemoryPressure', resource: 'memory' },
  'allocatableMemory.available': { condition: 'MemoryPressure', resource: 'memory' },
  'nodefs.available': { condition: 'DiskPressure', resource: 'ephemeral-storage' },
  'nodefs.inodesFree': { condition: 'DiskPressure', resource: 'inodes' },
  'imagefs.available': { condition: 'DiskPressure', resource: 'ephemeral-storage' },
  'imagefs.inodesFree': { condition: 'DiskPressure', resource: 'inodes' },
  'pid.available': { condition: 'PIDPressure', resource: 'pids' },
} as const satisfies Record<string, { condition: Pressure; resource: string }>;

export type Signal = keyof typeof SIGNALS;
export type StarvedResource = (typeof SIGNALS)[Signal]['resource'];

/** A bound that must not be gone below, and what is done for it when it is. */
export interface Threshold {
  readonly signal: Signal;
  readonly kind: 'hard' | 'soft';
  /** `100Mi` or `10%` */
  readonly value: string;
  /** How much more must be free again before it counts as kept. */
  readonly minReclaim?: string;
  /** How long it may be passed before pods are ended. */
  readonly graceMs: number;
}

/** The thresholds of a node, the kubelet's own for the pods' share of its memory among them. */
export function thresholdsOf(settings: ResolvedSettings): Threshold[] {
  const hard = entries(settings.evictionHard).map(([signal, value]) => threshold(settings, signal, 'hard', value));
  const soft = entries(settings.evictionSoft).map(([signal, value]) => threshold(settings, signal, 'soft', value));
  const memory = hard.filter(({ signal }) => signal === 'memory.available');
  const ofPods = memory.map((each): Threshold => ({ ...each, signal: 'allocatableMemory.available' }));
  return [...hard, ...soft, ...ofPods];
}

/** A threshold of nothing (`0%`) is how one is turned off. */
function entries(values: Readonly<Record<string, string>>): [Signal, string][] {
  return Object.entries(values).filter(
    (entry): entry is [Signal, string] => entry[0] in SIGNALS && Number.parseFloat(entry[1]) > 0,
  );
}

function threshold(settings: ResolvedSettings, signal: Signal, kind: Threshold['kind'], value: string): Threshold {
  const minReclaim = settings.evictionMinimumReclaim[signal];
  const graceMs = kind === 'soft' ? durationOf(settings.evictionSoftGracePeriod[signal] ?? '0s') : 0;
  return { signal, kind, value, graceMs, ...(minReclaim ? { minReclaim } : {}) };
}

/** A quantity in its unit, or the share of a capacity that a percentage is. */
export function amountOf(value: string, capacity: number): number {
  return value.endsWith('%') ? Math.floor((capacity * Number.parseFloat(value)) / 100) : quantity(value);
}
