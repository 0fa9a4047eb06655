import type { FieldError } from '../kind.ts';
import type { KubeObject } from '../types.ts';

export interface MetadataRules {
  readonly namespaced: boolean;
  readonly nameRule?: (name: string) => string | undefined;
}

/** What holds for the `metadata` of every kind. */
export function validateMetadata<T extends KubeObject>(
  _object: T,
  _old: T | undefined,
  _rules: MetadataRules,
): FieldError[] {
  return [];
}
