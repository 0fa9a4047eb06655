import { equal, type Json } from '../../patch/json.ts';
import type { CustomResourceDefinition } from '../../types.ts';

export type Version = CustomResourceDefinition['spec']['versions'][number];

const names = ['schema', 'subresources', 'additionalPrinterColumns', 'selectableFields'] as const;

/** What versions may have in common. */
export type Parts = Pick<Version, (typeof names)[number]>;

/**
 * What all versions have alike, and what each of them has of its own. Kubernetes holds the first in the specification
 * itself and speaks of it there: `spec.validation` for the one schema of all versions, which that of a single one is.
 */
export function partsOf(versions: readonly Version[]): { readonly shared: Parts; readonly own: readonly Parts[] } {
  const [first] = versions;
  const isShared = (name: keyof Parts) => versions.every((each) => same(each[name], first?.[name]));
  const shared = names.filter(isShared);
  const own = names.filter((name) => !shared.includes(name));
  return { shared: first ? pick(first, shared) : {}, own: versions.map((version) => pick(version, own)) };
}

const same = (a: unknown, b: unknown): boolean => equal((a ?? null) as Json, (b ?? null) as Json);

const pick = (version: Version, some: readonly (keyof Parts)[]): Parts =>
  Object.fromEntries(some.map((name) => [name, version[name]]));
