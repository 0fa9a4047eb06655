import type { FieldError } from '../../kind.ts';
import { all, invalid } from '../errors.ts';

/** A path below another one: relative, and never upwards. */
export function validateLocalPath(path: string | undefined, field: string): FieldError[] {
  if (!path) return [];
  return all(
    path.startsWith('/') && [invalid(field, path, 'must be a relative path')],
    validateNoBacksteps(path, field),
  );
}

/** A path that never goes upwards. */
export function validateNoBacksteps(path: string, field: string): FieldError[] {
  return path.includes('..') && path.split('/').includes('..') ? [invalid(field, path, "must not contain '..'")] : [];
}

/** The path of a file in a volume: what begins with two dots is what the kubelet keeps its own files under. */
export function validateFilePath(path: string | undefined, field: string): FieldError[] {
  if (!path) return [];
  const reserved = path.startsWith('..') && !path.startsWith('../');
  return all(validateLocalPath(path, field), reserved && [invalid(field, path, "must not start with '..'")]);
}
