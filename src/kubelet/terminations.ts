import type { ContainerStatus, PodStatus } from '../api/types.ts';

/** How a container has ended. */
interface Termination {
  readonly type: 'container' | 'init_container' | 'ephemeral_container';
  readonly exitCode: number;
  readonly reason: string;
}

export interface TerminationCount extends Termination {
  readonly count: number;
}

const lists = [
  ['container', 'containerStatuses'],
  ['init_container', 'initContainerStatuses'],
  ['ephemeral_container', 'ephemeralContainerStatuses'],
] as const;

/** Counts the containers of a node that have ended, as their pods' statuses tell it. */
export class Terminations {
  readonly #counts = new Map<string, TerminationCount>();

  /** What is told of a pod now, and what was told before. */
  note(before: PodStatus | undefined, now: PodStatus): void {
    for (const [type, list] of lists) {
      for (const status of now[list] ?? []) {
        if (status.state?.terminated && !hadEnded(before?.[list], status.name)) this.#add(type, status);
      }
    }
  }

  list(): readonly TerminationCount[] {
    return [...this.#counts.values()];
  }

  #add(type: Termination['type'], { state }: ContainerStatus): void {
    const { exitCode = 0, reason = '' } = state?.terminated ?? {};
    const key = JSON.stringify([type, exitCode, reason]);
    this.#counts.set(key, { type, exitCode, reason, count: (this.#counts.get(key)?.count ?? 0) + 1 });
  }
}

const hadEnded = (statuses: readonly ContainerStatus[] | undefined, name: string): boolean =>
  statuses?.find((status) => status.name === name)?.state?.terminated !== undefined;
