import type * as k8s from '@kubernetes/client-node';
import { equal, type Json } from '../patch/json.ts';
import type { KubeObject, Wire } from '../types.ts';
import { compare } from './compare.ts';
import { fieldSetOf } from './extract.ts';
import {
  difference,
  elementsOf,
  emptySet,
  equalSets,
  type FieldSet,
  intersection,
  isEmpty,
  nodeOf,
  union,
} from './field-set.ts';
import { merge, prune, withoutBlanks } from './merge.ts';
import type { Place } from './place.ts';

/** One entry of `metadata.managedFields`: what a manager owns through one operation. */
export type ManagedFieldsEntry = Wire<k8s.V1ManagedFieldsEntry>;

/** Who writes, and through what. */
export interface Writer {
  readonly manager: string;
  /** Of the kind that is written. */
  readonly apiVersion: string;
  /** `''` for the object itself. */
  readonly subresource: string;
}

/** Fields that another manager owns, and an apply would change. */
export interface Conflict {
  readonly entry: ManagedFieldsEntry;
  readonly fields: FieldSet;
}

type Entries = readonly ManagedFieldsEntry[];

/** Update entries of one object; what is older is put together (Kubernetes' DefaultMaxUpdateManagers). */
const MAX_UPDATE_ENTRIES = 10;
const ANCIENT = 'ancient-changes';
const BEFORE_FIRST_APPLY = 'before-first-apply';

export const fieldsOf = (entry: ManagedFieldsEntry): FieldSet => (entry.fieldsV1 ?? emptySet) as FieldSet;

/**
 * The managers after an update: its author owns what it changed, and nobody owns what it removed. Returns `entries`
 * itself where nothing that can be owned differs.
 */
export function recordUpdate(
  place: Place,
  entries: Entries,
  writer: Writer,
  before: KubeObject,
  after: KubeObject,
  time: string,
): Entries {
  const { changed, removed } = differences(place, before, after);
  if (isEmpty(changed) && isEmpty(removed)) return entries;
  const lost = union(changed, removed);
  const own = entries.find((entry) => isUpdateOf(entry, writer));
  const others = entries.flatMap((entry) => (entry === own ? [] : without(entry, lost)));
  const at = isEmpty(changed) ? (own?.time ?? time) : time;
  if (own && ownsAll(own, changed, removed)) return ordered([...others, { ...own, time: at }]);
  const kept = own ? difference(fieldsOf(own), removed) : emptySet;
  const fields = union(kept, changed);
  if (isEmpty(fields)) return ordered(others);
  return ordered(capped([...others, entryOf(writer, 'Update', at, fields)]));
}

/** Whether an update leaves its author's fields as they are: most do, as a status that is reported again and again. */
const ownsAll = (own: ManagedFieldsEntry, changed: FieldSet, removed: FieldSet): boolean =>
  isEmpty(removed) && isEmpty(difference(changed, fieldsOf(own)));

/** The apply of a configuration: the object and its managers afterwards, or who else owns what it would change. */
export type Applied =
  | { readonly object: KubeObject; readonly entries: Entries }
  | { readonly conflicts: readonly Conflict[] };

export interface ApplyOptions {
  /** Takes fields over from others. */
  readonly force: boolean;
  readonly time: string;
  /** Fields of the object that are not written through this path: nobody is made their owner. */
  readonly foreign?: readonly string[];
}

/**
 * Applies a configuration to a live object (or to an empty one). The
 * configuration holds only what may be written through this path: its author comes to own all of it.
 */
export function applyConfiguration(
  place: Place,
  entries: Entries,
  writer: Writer,
  current: KubeObject,
  config: KubeObject,
  options: ApplyOptions,
): Applied {
  const live = withoutBlanks(place, current) as KubeObject;
  const present = entries.length > 0 ? entries : beforeFirstApply(place, writer, live, options);
  const own = present.find((entry) => isApplyOf(entry, writer));
  const others = present.filter((entry) => entry !== own);
  const named = fieldSetOf(place, config);
  const fields = withoutMeta(named);
  const owned = others.reduce((set, entry) => union(set, fieldsOf(entry)), named);
  const merged = merge(place, live, config);
  const pruned = (own ? prune(place, merged, fieldsOf(own), owned) : merged) as KubeObject;
  const { changed, removed } = differences(place, live, pruned, true);
  const conflicts = conflictsWith(others, changed);
  if (conflicts.length > 0 && !options.force) return { conflicts };
  const left = others.flatMap((entry) => without(entry, union(changed, removed)));
  const object = withoutBlanks(place, pruned) as KubeObject;
  if (isEmpty(fields)) return { object, entries: ordered(left) };
  const isSame = own && own.apiVersion === writer.apiVersion && equalSets(fieldsOf(own), fields);
  const ownsNothingNew = isEmpty(changed) && isEmpty(removed);
  if (isSame && ownsNothingNew) return { object, entries: ordered([...left, own]) };
  const time = ownsNothingNew && equal(live as Json, pruned as Json) ? own?.time : options.time;
  return { object, entries: ordered([...left, entryOf(writer, 'Apply', time, fields)]) };
}

/** An object that nobody kept account of belongs to an unknown manager, so that nothing is taken from it unseen. */
function beforeFirstApply(place: Place, writer: Writer, live: KubeObject, options: ApplyOptions): Entries {
  const { time, foreign = [] } = options;
  const { changed } = differences(place, {}, live);
  const own = new Set(elementsOf(changed).filter((element) => !foreign.includes(element.slice(2))));
  const fields = nodeOf(false, Object.fromEntries([...own].map((each) => [each, changed[each] ?? emptySet])));
  return fields ? [entryOf({ ...writer, manager: BEFORE_FIRST_APPLY }, 'Update', time, fields)] : [];
}

function conflictsWith(entries: Entries, changed: FieldSet): Conflict[] {
  return entries
    .map((entry) => ({ entry, fields: intersection(fieldsOf(entry), changed) }))
    .filter(({ fields }) => !isEmpty(fields));
}

const isUpdateOf = (entry: ManagedFieldsEntry, { manager, apiVersion, subresource }: Writer): boolean =>
  entry.operation === 'Update' &&
  entry.manager === manager &&
  entry.apiVersion === apiVersion &&
  (entry.subresource ?? '') === subresource;

/** An applier is the same in every version of the kind. */
const isApplyOf = (entry: ManagedFieldsEntry, { manager, subresource }: Writer): boolean =>
  entry.operation === 'Apply' && entry.manager === manager && (entry.subresource ?? '') === subresource;

/** An apply that leaves the object as it is has no time of its own. */
function entryOf(
  writer: Writer,
  operation: 'Apply' | 'Update',
  time: string | undefined,
  fields: FieldSet,
): ManagedFieldsEntry {
  const { manager, apiVersion, subresource } = writer;
  const at = time === undefined ? {} : { time };
  const entry = { manager, operation, apiVersion, ...at, fieldsType: 'FieldsV1', fieldsV1: fields };
  return subresource === '' ? entry : { ...entry, subresource };
}

/** The entry with fewer fields; none where it owns nothing more. */
function without(entry: ManagedFieldsEntry, fields: FieldSet): ManagedFieldsEntry[] {
  const before = fieldsOf(entry);
  if (isEmpty(intersection(before, fields))) return [entry];
  const fieldsV1 = difference(before, fields);
  return isEmpty(fieldsV1) ? [] : [{ ...entry, fieldsV1 }];
}

function differences(place: Place, before: KubeObject, after: KubeObject, isApplied = false) {
  const { changed, removed } = compare(place, before, after, isApplied);
  return { changed: withoutMeta(changed), removed: withoutMeta(removed) };
}

/** What identifies an object or is the server's own belongs to nobody (Kubernetes' stripMeta). */
const metaFields: FieldSet = Object.fromEntries(
  'creationTimestamp generation managedFields name namespace resourceVersion selfLink uid'
    .split(' ')
    .map((name) => [`f:${name}`, emptySet]),
);
const unowned: FieldSet = { 'f:apiVersion': emptySet, 'f:kind': emptySet, 'f:metadata': { '.': {}, ...metaFields } };

const withoutMeta = (set: FieldSet): FieldSet => difference(set, unowned);

/** Applies stand before updates, and each by time. */
function ordered(entries: Entries): Entries {
  const order = (entry: ManagedFieldsEntry) =>
    `${entry.operation} ${entry.time ?? ''} ${entry.manager ?? ''} ${entry.apiVersion ?? ''} ${entry.subresource ?? ''}`;
  if (entries.length < 2) return entries;
  return [...entries].sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** Too many entries of updates: the oldest of each version become one, until there are no more than allowed. */
function capped(entries: Entries): Entries {
  const updates = ordered(entries.filter((entry) => entry.operation === 'Update'));
  let left = updates.length;
  if (left <= MAX_UPDATE_ENTRIES) return entries;
  const ancient = new Map<string, ManagedFieldsEntry[]>();
  for (const entry of updates) {
    if (left <= MAX_UPDATE_ENTRIES) break;
    const version = entry.apiVersion ?? '';
    const older = ancient.get(version);
    ancient.set(version, [...(older ?? []), entry]);
    if (older) left--;
  }
  const merged = [...ancient].filter(([, several]) => several.length > 1);
  const gone = new Set(merged.flatMap(([, several]) => several));
  const together = merged.map(([apiVersion, several]) => {
    const fields = several.reduce((set, entry) => union(set, fieldsOf(entry)), emptySet);
    return entryOf({ manager: ANCIENT, apiVersion, subresource: '' }, 'Update', several.at(-1)?.time, fields);
  });
  return [...entries.filter((entry) => !gone.has(entry)), ...together];
}
