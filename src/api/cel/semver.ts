import type { Environment } from '@marcbachmann/cel-js';
import { addFunctions } from './environment.ts';

const shape =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?$/;

/** A version (semver.org 2.0.0). */
class CelSemver {
  readonly numbers: readonly bigint[];
  readonly prerelease: readonly string[];

  constructor(text: string) {
    const match = shape.exec(text);
    if (!match) throw new Error(`Semver parse error during conversion from string: ${text}`);
    this.numbers = match.slice(1, 4).map(BigInt);
    this.prerelease = match[4]?.split('.') ?? [];
  }

  equals(other: unknown): boolean {
    return other instanceof CelSemver && compare(this, other) === 0;
  }
}

/** `v1.2` as `1.2.0`. */
function normalized(text: string): string {
  const [numbers = '', ...rest] = text.replace(/^v/, '').split(/(?=[-+])/);
  const parts = numbers.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
  while (parts.length < 3) parts.push('0');
  return parts.join('.') + rest.join('');
}

function compare(a: CelSemver, b: CelSemver): number {
  for (const [index, number] of a.numbers.entries()) {
    const other = b.numbers[index] ?? 0n;
    if (number !== other) return number < other ? -1 : 1;
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return b.prerelease.length - a.prerelease.length;
  for (const [index, part] of a.prerelease.entries()) {
    const difference = comparePart(part, b.prerelease[index]);
    if (difference !== 0) return difference;
  }
  return a.prerelease.length - b.prerelease.length;
}

function comparePart(a: string, b: string | undefined): number {
  if (b === undefined) return 1;
  const [isNumber, isOther] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumber && isOther) return Number(BigInt(a) - BigInt(b));
  if (isNumber !== isOther) return isNumber ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

const parses = (text: string): boolean => shape.test(text);

/** Kubernetes' library of semantic versions. */
export function addSemver(env: Environment): void {
  env.registerType('kubernetes.Semver', CelSemver);
  env.registerOperator('kubernetes.Semver == kubernetes.Semver', (a: CelSemver, b: CelSemver) => a.equals(b));
  addFunctions(env, {
    'semver(string): kubernetes.Semver': (text: string) => new CelSemver(text),
    'semver(string, bool): kubernetes.Semver': (text: string, loose: boolean) =>
      new CelSemver(loose ? normalized(text) : text),
    'isSemver(string): bool': parses,
    'isSemver(string, bool): bool': (text: string, loose: boolean) => parses(loose ? normalized(text) : text),
    'kubernetes.Semver.isGreaterThan(kubernetes.Semver): bool': (a: CelSemver, b: CelSemver) => compare(a, b) > 0,
    'kubernetes.Semver.isLessThan(kubernetes.Semver): bool': (a: CelSemver, b: CelSemver) => compare(a, b) < 0,
    'kubernetes.Semver.compareTo(kubernetes.Semver): int': (a: CelSemver, b: CelSemver) =>
      BigInt(Math.sign(compare(a, b))),
    'kubernetes.Semver.major(): int': ({ numbers }: CelSemver) => numbers[0] ?? 0n,
    'kubernetes.Semver.minor(): int': ({ numbers }: CelSemver) => numbers[1] ?? 0n,
    'kubernetes.Semver.patch(): int': ({ numbers }: CelSemver) => numbers[2] ?? 0n,
  });
}
