import { randomBytes, randomUUID } from 'node:crypto';
import { type FieldError, type Kind, metaOf } from '../../api/kind.ts';
import { clone as cloneJson, type Json } from '../../api/patch/json.ts';
import type { KubeObject, ObjectMeta } from '../../api/types.ts';
import { RevisionConflict } from '../../store/store.ts';
import type { AdmissionRequest, ObjectKind } from '../admission/chain.ts';
import { CachedObject, encodeObject, withRevision } from '../cache/object.ts';
import type { Context } from '../context.ts';
import { alreadyExists, badRequest, conflict, invalid, methodNotAllowed, notFound, objectModified } from '../errors.ts';
import type { User } from '../request.ts';
import { recordsAlong } from '../service-addresses/records.ts';
import { equalAsJson, equalFields } from './equality.ts';
import type { Manage } from './managers.ts';
import { assertSameUid, assertSameVersion } from './preconditions.ts';
import { storedForm, viewOf } from './view.ts';

/** What a write is about. */
export interface WriteTarget {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly user: User;
  readonly dryRun: boolean;
  /** Keeps account of who owns which field; without it the managers stay as they are. */
  readonly manage?: Manage;
  /** Who creates it knows its status too. */
  readonly keepsStatus?: boolean;
  /** Admission was asked about it in another form (a Binding, an Eviction). */
  readonly admitted?: boolean;
  /** How admission sees the object, where it is written through a subresource that has a type of its own. */
  readonly shownAs?: ShownAs;
  /** Where what admission has to say to the client goes. */
  readonly warnings?: string[];
  /** Where what it has to say to the audit log goes. */
  readonly annotations?: Map<string, string>;
}

/** A part of an object as an object of its own. */
export interface ShownAs {
  readonly subresource: string;
  readonly objectKind: ObjectKind;
  show(object: KubeObject): KubeObject;
  /** Brings what admission made of the part into the whole. */
  takeOver(part: KubeObject, whole: KubeObject): void;
}

/** Tries of a write that lost a race it may repeat. */
const ATTEMPTS = 10;
/** Letters and digits of generated names, as Kubernetes chooses them: no vowels, nothing that looks alike. */
const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** Creates an object whose schema was checked. Gives away its argument. */
export async function createObject(context: Context, target: WriteTarget, object: KubeObject): Promise<CachedObject> {
  const { kind } = target;
  if (kind.refusesCreate) throw methodNotAllowed(kind.refusesCreate);
  const generated = metaOf(object).name === undefined || metaOf(object).name === '';
  for (let attempt = 1; ; attempt++) {
    // Only a generated name is tried again.
    const candidate = generated ? clone(object) : object;
    if (generated) metaOf(candidate).name = generateName(kind, candidate);
    const name = metaOf(candidate).name ?? '';
    prepareNew(target, candidate);
    kind.setDefaults?.(candidate);
    setManagers(candidate, target.manage?.(undefined, candidate, undefined));
    const admission = admissionOf({ ...target, name }, 'CREATE', candidate, undefined);
    const settle = context.admission.admit(admission);
    try {
      const mutated = context.admission.mutate(admission);
      if (mutated) await mutated;
      // What follows from the object follows from what admission made of it.
      kind.prepareForCreate?.(candidate);
      if (kind.initialStatus) (candidate as { status?: object }).status ??= { ...kind.initialStatus };
      const checked = assertValid(kind, name, candidate, undefined, undefined);
      if (checked) await checked;
      const validated = context.admission.validate(admission);
      if (validated) await validated;
      return await write(context, target, candidate, undefined);
    } catch (error) {
      if (!(error instanceof RevisionConflict)) throw error;
      const isOwn = error.key === viewOf(context.cache, kind).key(target.namespace, name);
      if (!isOwn) throw conflict(kind, name, 'an address was given away in the same moment');
      if (!generated || attempt === ATTEMPTS) throw alreadyExists(kind, name);
    } finally {
      settle();
    }
  }
}

function generateName(kind: Kind, object: KubeObject): string {
  const prefix = object.metadata?.generateName;
  if (!prefix) {
    const message = 'Required value: name or generateName is required';
    throw invalid(kind, '', [{ reason: 'FieldValueRequired', field: 'metadata.name', message }]);
  }
  // Kubernetes cuts the prefix so that the whole stays a label.
  return prefix.slice(0, 58) + randomName(5);
}

export function randomName(length: number): string {
  let name = '';
  while (name.length < length) name += NAME_ALPHABET[randomByte() % NAME_ALPHABET.length];
  return name;
}

/** Asking for randomness costs the same for few bytes and for many. */
let randomness = Buffer.alloc(0);
let used = 0;

function randomByte(): number {
  if (used === randomness.length) {
    randomness = randomBytes(4096);
    used = 0;
  }
  return randomness[used++] ?? 0;
}

/** The metadata that only the server writes. */
function prepareNew({ kind, namespace, keepsStatus }: WriteTarget, object: KubeObject): void {
  const metadata = metaOf(object);
  metadata.uid = randomUUID();
  metadata.creationTimestamp = now();
  if (kind.namespaced) metadata.namespace = namespace;
  else delete metadata.namespace;
  delete metadata.resourceVersion;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.managedFields;
  dropEmpty(metadata);
  if (kind.generation && kind.generation !== 'later') metadata.generation = 1;
  else delete metadata.generation;
  if (kind.hasStatus && !kind.statusOnCreate && !keepsStatus) delete (object as { status?: unknown }).status;
}

function setManagers(object: KubeObject, entries: ReturnType<Manage> | undefined): void {
  if (entries && entries.length > 0) metaOf(object).managedFields = [...entries];
  else delete metaOf(object).managedFields;
}

/** Empty lists and maps of metadata are as good as none, and Kubernetes shows none. */
function dropEmpty(metadata: ObjectMeta): void {
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
    if (metadata[field] && Object.keys(metadata[field]).length === 0) delete metadata[field];
  }
}

/** RFC 3339 in seconds, as all of Kubernetes' times but a few. */
export function now(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== present.second) present = { second, text: `${new Date(second * 1000).toISOString().slice(0, 19)}Z` };
  return present.text;
}

let present = { second: 0, text: '' };

export interface UpdateOptions {
  /** Try again with the newest object when another writer was faster. */
  readonly retry: boolean;
}

/** How a write makes the next object of the present one. It may change its argument. */
export type Change = (current: KubeObject) => KubeObject | Promise<KubeObject>;

/** Reads, changes and writes an object, and deletes it where the change removed what kept it. */
export async function updateObject(
  context: Context,
  target: WriteTarget,
  change: Change,
  options: UpdateOptions,
): Promise<CachedObject> {
  const view = viewOf(context.cache, target.kind);
  for (let attempt = 1; ; attempt++) {
    const stored = view.resource.get(view.key(target.namespace, target.name));
    if (!stored) throw notFound(target.kind, target.name);
    await view.ready([stored]);
    const current = view.object(stored);
    const old = current.parse();
    const next = await change(clone(old));
    try {
      return await replace(context, target, current, next, old);
    } catch (error) {
      if (!(error instanceof RevisionConflict)) throw error;
      if (!options.retry || attempt === ATTEMPTS) throw objectModified(target.kind, target.name);
    }
  }
}

async function replace(
  context: Context,
  target: WriteTarget,
  current: CachedObject,
  next: KubeObject,
  old: KubeObject,
): Promise<CachedObject> {
  const { kind, name } = target;
  assertSameUid(kind, target, next, old);
  assertSameVersion(kind, name, next, current.revision);
  const managers = next.metadata?.managedFields;
  carryOver(target, next, old);
  kind.setDefaults?.(next);
  kind.prepareForUpdate?.(next, old, target.subresource);
  setManagers(next, target.manage ? target.manage(old, next, managers) : old.metadata?.managedFields);
  const { shownAs, admitted } = target;
  const admission = admissionOf(target, 'UPDATE', next, old);
  const settle = admitted ? () => undefined : context.admission.admit(admission);
  try {
    if (!admitted) await context.admission.mutate(admission);
    if (admission.object) shownAs?.takeOver(admission.object, next);
    await assertValid(kind, name, next, old, target.subresource);
    if (!admitted) await context.admission.validate(admission);
    if (sameObject(next, old) && (await isStoredSo(context, kind, current, next))) return current;
    if (!tellsNoIntent.has(target.subresource)) raiseGeneration(kind, next, old);
    if (mayVanish(next)) return await remove(context, target, current);
    return await write(context, target, next, current);
  } finally {
    settle();
  }
}

/** A deep copy but for the managed fields, which nobody changes in place. */
function clone(object: KubeObject): KubeObject {
  if (!object.metadata?.managedFields) return cloneJson(object as Json) as KubeObject;
  const { managedFields, ...metadata } = object.metadata;
  const copy = cloneJson({ ...object, metadata } as Json) as KubeObject;
  metaOf(copy).managedFields = managedFields;
  return copy;
}

/** Takes from the old object what this write may not change. */
function carryOver({ kind, subresource }: WriteTarget, next: KubeObject, old: KubeObject): void {
  const metadata = metaOf(next);
  const before = metaOf(old);
  next.kind = old.kind;
  next.apiVersion = old.apiVersion;
  metadata.name ??= before.name;
  metadata.namespace = before.namespace;
  metadata.uid = before.uid;
  metadata.creationTimestamp = before.creationTimestamp;
  metadata.generation = before.generation;
  // Who sets these on an object that is not being deleted is told by validation that they cannot be written.
  if (before.deletionTimestamp) metadata.deletionTimestamp = before.deletionTimestamp;
  metadata.deletionGracePeriodSeconds ??= before.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.managedFields;
  dropEmpty(metadata);
  const [to, from] = [next as { status?: unknown }, old as { status?: unknown }];
  if (subresource === 'status') {
    keepAllButStatus(kind, next, old);
    // These fields are always there.
    if (kind.initialStatus) to.status = { ...kind.initialStatus, ...(to.status as object | undefined) };
  } else if (subresource === '' && kind.hasStatus) {
    if (from.status === undefined) delete to.status;
    else to.status = cloneJson(from.status as Json);
  }
}

/** A write of the status changes nothing else but, of most kinds, metadata. */
function keepAllButStatus({ keptByStatus = [] }: Kind, next: KubeObject, old: KubeObject): void {
  const target = next as Record<string, unknown>;
  for (const field of Object.keys(target)) if (field !== 'status' && field !== 'metadata') delete target[field];
  for (const [field, value] of Object.entries(old)) {
    if (field !== 'status' && field !== 'metadata') target[field] = cloneJson(value as Json);
  }
  const kept = Object.fromEntries(keptByStatus.map((part) => [part, old.metadata?.[part]]));
  Object.assign(metaOf(next), kept);
}

/** Subresources through which something else than the author's intent is written. */
const tellsNoIntent: ReadonlySet<string> = new Set(['status', 'binding']);

/** Everything except status and most metadata is intent: a change of it is a new generation. */
function raiseGeneration(kind: Kind, next: KubeObject, old: KubeObject): void {
  if (!kind.generation || kind.generation === 'first') return;
  const isTold = kind.raisedBy?.some((part) => !equalAsJson(next.metadata?.[part] ?? {}, old.metadata?.[part] ?? {}));
  const isIntent = isTold || !equalFields(next, old, ['metadata', 'status']);
  if (isIntent) metaOf(next).generation = (old.metadata?.generation ?? 0) + 1;
}

/** Whether a write that changes nothing leaves the store as it is: an old stored form is brought up to date by it. */
async function isStoredSo(context: Context, kind: Kind, { key, revision }: CachedObject, next: KubeObject) {
  if (context.store.isStale?.(key)) return false;
  if (!kind.storedAs?.isShown) return true;
  const stored = viewOf(context.cache, kind).resource.get(key);
  const text = encodeObject(await storedForm(kind, next));
  return stored?.revision === revision && stored.bytes.equals(withRevision(text, revision));
}

function sameObject(next: KubeObject, old: KubeObject): boolean {
  return (
    equalFields(next, old, ['metadata']) && equalFields(next.metadata ?? {}, old.metadata ?? {}, ['resourceVersion'])
  );
}

/** An object that is being deleted goes when its last finalizer goes, unless somebody still has to end it (pods). */
function mayVanish(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = metaOf(object);
  if (!deletionTimestamp || (finalizers?.length ?? 0) > 0 || (deletionGracePeriodSeconds ?? 0) > 0) return false;
  return namespaceFinalizers(object).length === 0;
}

/** Namespaces have finalizers in their spec too, that only `/finalize` removes. */
export function namespaceFinalizers(object: KubeObject): readonly string[] {
  if (object.kind !== 'Namespace' || object.apiVersion !== 'v1') return [];
  return (object as { spec?: { finalizers?: string[] } }).spec?.finalizers ?? [];
}

/**
 * Later only for kinds that have rules.
 *
 * @throws StatusError 422 that names every field that is wrong
 */
function assertValid(
  kind: Kind,
  name: string,
  object: KubeObject,
  old: KubeObject | undefined,
  subresource: string | undefined,
): Promise<void> | undefined {
  const assertNone = (errors: readonly FieldError[]) => {
    if (errors.length > 0) throw invalid(kind, name, errors);
  };
  const found = kind.validate?.(object, old, subresource) ?? [];
  const rules = kind.validateRules?.(object, old, subresource, found);
  if (rules) return rules.then((more) => assertNone([...found, ...more]));
  assertNone(found);
  return undefined;
}

function admissionOf(
  target: WriteTarget,
  operation: AdmissionRequest['operation'],
  object: KubeObject | undefined,
  old: KubeObject | undefined,
): AdmissionRequest {
  const { kind, subresource, namespace, name, user, dryRun, warnings, annotations, shownAs } = target;
  const about = { operation, kind, namespace, name, user, dryRun, warnings, annotations };
  if (!shownAs) return { ...about, subresource, object, old };
  return {
    ...about,
    subresource: shownAs.subresource,
    objectKind: shownAs.objectKind,
    object: object && shownAs.show(object),
    old: old && shownAs.show(old),
  };
}

/** Puts an object into the store (on a dry run only as if) and returns it as clients see it. */
export async function write(
  context: Context,
  target: WriteTarget,
  object: KubeObject,
  current: CachedObject | undefined,
): Promise<CachedObject> {
  const { kind } = target;
  const view = viewOf(context.cache, kind);
  const key = view.key(target.namespace, metaOf(object).name ?? target.name);
  const expected = current?.revision ?? 0;
  if (target.dryRun) {
    const present = view.resource.get(key)?.revision ?? 0;
    if (present !== expected) throw new RevisionConflict(key, expected, present);
    return unwritten(key, expected, object, kind);
  }
  const stored = kind.storedAs ? await storedForm(kind, object) : object;
  const own = { key, value: encodeObject(stored), expected };
  const [revision = 0] = await context.store.write([own, ...along(context, kind, object, current)]);
  const cached = view.resource.get(key);
  if (cached?.revision === revision && !kind.storedAs?.convert) return view.object(cached);
  return new CachedObject(key, revision, withRevision(encodeObject(object), revision), kind.fieldLabels);
}

/** Takes an object out of the store; what is returned is its last form. */
export async function remove(context: Context, target: WriteTarget, current: CachedObject): Promise<CachedObject> {
  if (target.dryRun) return current;
  const own = { key: current.key, value: undefined, expected: current.revision };
  await context.store.write([own, ...along(context, target.kind, undefined, current)]);
  return current;
}

/** What belongs to an object and is written with it, in the same commit. */
function along({ cache }: Context, kind: Kind, next: KubeObject | undefined, old: CachedObject | undefined) {
  return kind.kind === 'Service' && kind.group === '' ? recordsAlong(cache, next, old) : [];
}

function unwritten(key: string, revision: number, object: KubeObject, kind: Kind): CachedObject {
  const text = encodeObject(object);
  const bytes = revision === 0 ? Buffer.from(text) : withRevision(text, revision);
  return new CachedObject(key, revision, bytes, kind.fieldLabels);
}

/** Metadata of the body must name the object of the path. */
export function assertNames(target: WriteTarget, object: KubeObject): void {
  const metadata = metaOf(object);
  if (target.name !== '' && metadata.name !== undefined && metadata.name !== target.name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${target.name})`);
  }
  if (target.kind.namespaced && (metadata.namespace ?? target.namespace) !== target.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}
