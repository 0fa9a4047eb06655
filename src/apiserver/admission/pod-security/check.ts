import type { Container, ObjectMeta, PodSpec } from '../../../api/types.ts';
import type { Level } from './policy.ts';

export type SecurityContext = NonNullable<Container['securityContext']>;

/** What a check looks at: a pod, or the template of one. */
export interface PodFacts {
  readonly metadata: Pick<ObjectMeta, 'annotations'>;
  readonly spec: PodSpec;
  /** Containers of every kind. */
  readonly containers: readonly Container[];
}

/** Why a pod is not allowed. */
export interface Violation {
  /** `host namespaces` */
  readonly reason: string;
  /** `hostPID=true` */
  readonly detail: string;
}

type Run = (pod: PodFacts) => Violation | undefined;

/** One of the Pod Security Standards' rules. */
export interface Check {
  readonly id: string;
  readonly level: Exclude<Level, 'privileged'>;
  /** What it wants since which minor version, the oldest first. */
  readonly versions: readonly (readonly [since: number, run: Run])[];
  /** A rule of the baseline that it takes the place of. */
  readonly overrides?: string;
}

export const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');

export const plural = (word: string, count: number): string => (count === 1 ? word : `${word}s`);

/** `container "a"`, `containers "a", "b"`. */
export const named = (what: string, names: readonly string[]): string =>
  `${plural(what, names.length)} ${quoted(names)}`;

export const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();

/** `pod and containers "a", "b"`: who sets something wrong. */
export function setters(pod: boolean, containers: readonly string[]): string {
  return [...(pod ? ['pod'] : []), ...(containers.length > 0 ? [named('container', containers)] : [])].join(' and ');
}

export const namesWhere = ({ containers }: PodFacts, test: (container: Container) => boolean): string[] =>
  containers.filter(test).map(({ name }) => name);

export const unlessWindows =
  (run: Run): Run =>
  (pod) =>
    pod.spec.os?.name === 'windows' ? undefined : run(pod);

/** Root in a user namespace of its own is nobody outside of it (KEP-127). */
export const unlessUserNamespace =
  (run: Run): Run =>
  (pod) =>
    pod.spec.hostUsers === false ? undefined : run(pod);
