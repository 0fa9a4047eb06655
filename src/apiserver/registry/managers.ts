import type { Kind } from '../../api/kind.ts';
import {
  type ManagedFieldsEntry,
  type Place,
  placeOf,
  recordUpdate,
  type Writer,
} from '../../api/managed-fields/index.ts';
import { apiVersion } from '../../api/resource.ts';
import { loadSchema } from '../../api/schema/load.ts';
import type { KubeObject } from '../../api/types.ts';
import { StatusError } from '../errors.ts';
import type { KindRequest } from '../request.ts';
import { now } from './write.ts';

/**
 * The managers of an object that is about to be written. `old` is `undefined` for a new one; `given` is what the
 * client sent as `metadata.managedFields`.
 */
export type Manage = (
  old: KubeObject | undefined,
  next: KubeObject,
  given: readonly ManagedFieldsEntry[] | undefined,
) => readonly ManagedFieldsEntry[];

/** Longest name of a manager (Kubernetes' FieldManagerMaxLength). */
const MAX_NAME = 128;

/** Keeps account of a create, an update, or a patch that is no apply. */
export function managersOfUpdate(request: KindRequest): Manage {
  const writer = writerOf(request);
  return (old, next, given) => {
    const place = placeOfKind(request.kind);
    if (!old) return recordUpdate(place, [], writer, {}, next, now());
    const entries = presentEntries(writer, old, given);
    // What nobody kept account of from its creation is kept account of from its first apply.
    return entries.length === 0 ? entries : recordUpdate(place, entries, writer, old, next, now());
  };
}

/** Clients that know managed fields may edit them, and drop all by a list of one empty entry. */
function presentEntries(
  { subresource }: Writer,
  old: KubeObject,
  given: readonly ManagedFieldsEntry[] | undefined,
): readonly ManagedFieldsEntry[] {
  const before = old.metadata?.managedFields ?? [];
  if (subresource !== '' || !given || given.length === 0) return before;
  const [first] = given;
  if (given.length === 1 && first && Object.keys(first).length === 0) return [];
  return given.every(({ operation }) => operation === 'Apply' || operation === 'Update') ? given : before;
}

const places = new WeakMap<Kind, Place>();

export function placeOfKind(kind: Kind): Place {
  const known = places.get(kind);
  if (known) return known;
  const place = kind.schema ? { type: kind.schema.type, facts: {} } : placeOf(loadSchema(), kind.definition);
  places.set(kind, place);
  return place;
}

/** Who writes: the field manager that the request names, or the first part of its `User-Agent`. */
export function writerOf({ kind, target, info, request }: KindRequest): Writer {
  const named = info.query.get('fieldManager') ?? '';
  if (named !== '') assertManager(named);
  const agent = request.headers['user-agent']?.split('/')[0]?.slice(0, MAX_NAME);
  return { manager: named || agent || 'unknown', apiVersion: apiVersion(kind), subresource: target.subresource };
}

function assertManager(name: string): void {
  if (name.length > MAX_NAME) throw invalidOptions('fieldManager', `Too long: may not be more than ${MAX_NAME} bytes`);
  if (/\p{C}/u.test(name)) {
    throw invalidOptions(
      'fieldManager',
      `Invalid value: ${JSON.stringify(name)}: should only contain printable characters`,
    );
  }
}

/** What is wrong with the options of a patch, in Kubernetes' form. */
export function invalidOptions(field: string, message: string, reason = 'FieldValueInvalid'): StatusError {
  return new StatusError(422, 'Invalid', `PatchOptions.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    group: 'meta.k8s.io',
    kind: 'PatchOptions',
    causes: [{ reason, message, field }],
  });
}
