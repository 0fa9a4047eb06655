import type { Kind } from '../kind.ts';
import type { KubeObject } from '../types.ts';

// What the tests of this folder share.

/** The object as it is after defaults and, where it is new, its preparation. */
export function created<T extends KubeObject>(kind: Kind<T>, object: T): T {
  kind.setDefaults?.(object);
  kind.prepareForCreate?.(object);
  return object;
}

/** What is wrong with a new object, as `kubectl` prints it. */
export function errorsOf<T extends KubeObject>(kind: Kind<T>, object: T): string[] {
  return listOf(kind, created(kind, object), undefined);
}

/** What is wrong with a change of an object that is there. */
export function updateErrorsOf<T extends KubeObject>(kind: Kind<T>, old: T, change: (object: T) => void): string[] {
  const object = structuredClone(old);
  change(object);
  kind.setDefaults?.(object);
  kind.prepareForUpdate?.(object, old);
  return listOf(kind, object, old);
}

function listOf<T extends KubeObject>(kind: Kind<T>, object: T, old: T | undefined): string[] {
  return (kind.validate?.(object, old) ?? []).map(({ field, message }) => `${field}: ${message}`);
}

/** A row of `kubectl get`, by the names of its columns. */
export function rowOf<T extends KubeObject>(kind: Kind<T>, object: T, now = 0): Record<string, unknown> {
  return Object.fromEntries(kind.columns.map((column) => [column.name, column.cell(object, now)]));
}
