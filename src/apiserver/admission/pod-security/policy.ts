import type { FieldError } from '../../../api/kind.ts';
import { invalid } from '../../../api/kinds/errors.ts';
import type { Labels } from '../../../api/types.ts';

/** The Pod Security Standards, the widest first. */
const levels = ['privileged', 'baseline', 'restricted'] as const;
export type Level = (typeof levels)[number];

export interface LevelVersion {
  readonly level: Level;
  /** Minor version of Kubernetes 1; the newest where it is infinite. */
  readonly minor: number;
}

/** What a namespace's labels ask for. Nothing is asked for where there are none. */
export interface Policy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
  /** What is wrong with the labels. */
  readonly errors: readonly FieldError[];
}

const PREFIX = 'pod-security.kubernetes.io/';
const LATEST = Number.POSITIVE_INFINITY;
const privileged: LevelVersion = { level: 'privileged', minor: LATEST };
const none: Policy = { enforce: privileged, audit: privileged, warn: privileged, errors: [] };

/** `restricted:latest`, `baseline:v1.30`. */
export const formatLevel = ({ level, minor }: LevelVersion): string =>
  `${level}:${minor === LATEST ? 'latest' : `v1.${minor}`}`;

export const isStricter = (a: Level, b: Level): boolean => levels.indexOf(a) > levels.indexOf(b);

/** The policy of a namespace. Labels that cannot be read enforce the strictest, and warn of nothing. */
export function policyOf(labels: Labels): Policy {
  if (!Object.keys(labels).some((label) => label.startsWith(PREFIX))) return none;
  const errors: FieldError[] = [];
  const wrong = (label: string, detail: string) =>
    errors.push(invalid(`metadata.labels[${PREFIX}${label}]`, labels[PREFIX + label], detail));
  const levelOf = (mode: string, otherwise: Level): Level | undefined => {
    const given = labels[PREFIX + mode];
    if (given === undefined) return undefined;
    const known = levels.find((level) => level === given);
    if (!known) wrong(mode, `must be one of ${levels.join(', ')}`);
    return known ?? otherwise;
  };
  const minorOf = (mode: string): number | undefined => {
    const given = labels[`${PREFIX}${mode}-version`];
    if (given === undefined || given === 'latest') return given && LATEST;
    const [, minor] = /^v1\.(\d|[1-9]\d*)$/.exec(given) ?? [];
    if (!minor) wrong(`${mode}-version`, 'must be "latest" or "v1.x"');
    return minor ? Number(minor) : LATEST;
  };
  const enforce = { level: levelOf('enforce', 'restricted') ?? 'privileged', minor: minorOf('enforce') ?? LATEST };
  const hasLevel = labels[`${PREFIX}enforce`] === enforce.level;
  const audit = { level: levelOf('audit', 'privileged') ?? 'privileged', minor: minorOf('audit') ?? LATEST };
  const [warnLevel, warnMinor] = [levelOf('warn', 'privileged'), minorOf('warn')];
  // Who enforces a level is warned by it too, where nothing else is said.
  const follows = warnLevel === undefined && hasLevel && enforce.level !== 'privileged';
  const warn = follows
    ? { level: enforce.level, minor: warnMinor ?? enforce.minor }
    : { level: warnLevel ?? 'privileged', minor: warnMinor ?? LATEST };
  return { enforce, audit, warn, errors };
}
