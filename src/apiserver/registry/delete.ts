import { type Kind, metaOf } from '../../api/kind.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { KubeObject } from '../../api/types.ts';
import { RevisionConflict } from '../../store/store.ts';
import type { AdmissionRequest } from '../admission/chain.ts';
import type { CachedObject } from '../cache/object.ts';
import type { Context } from '../context.ts';
import { badRequest, conflict, notFound, objectModified } from '../errors.ts';
import { viewOf } from './view.ts';
import { namespaceFinalizers, now, remove, type WriteTarget, write } from './write.ts';

/** meta.k8s.io/v1 DeleteOptions. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: string;
  readonly orphanDependents?: boolean;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: readonly string[];
}

export interface Deleted {
  readonly object: CachedObject;
  /** Whether it is gone, or only marked. */
  readonly gone: boolean;
}

const ATTEMPTS = 10;
const ORPHAN = 'orphan';
const FOREGROUND = 'foregroundDeletion';

/** Deletes an object, or marks it where somebody has to do something first: a grace period, finalizers. */
export async function deleteObject(context: Context, target: WriteTarget, options: DeleteOptions): Promise<Deleted> {
  const view = viewOf(context.cache, target.kind);
  for (let attempt = 1; ; attempt++) {
    const stored = view.resource.get(view.key(target.namespace, target.name));
    if (!stored) throw notFound(target.kind, target.name);
    await view.ready([stored]);
    const current = view.object(stored);
    assertPreconditions(target.kind, target.name, current, options.preconditions);
    try {
      return await deleteOnce(context, target, current, options);
    } catch (error) {
      if (!(error instanceof RevisionConflict)) throw error;
      if (attempt === ATTEMPTS) throw objectModified(target.kind, target.name);
    }
  }
}

async function deleteOnce(
  context: Context,
  target: WriteTarget,
  current: CachedObject,
  options: DeleteOptions,
): Promise<Deleted> {
  const { kind, subresource, namespace, name, user, dryRun } = target;
  const old = current.parse();
  const admission: AdmissionRequest = {
    operation: 'DELETE',
    kind,
    subresource,
    namespace,
    name,
    user,
    dryRun,
    object: undefined,
    old,
    warnings: target.warnings,
    annotations: target.annotations,
  };
  const settle = target.admitted ? () => undefined : context.admission.admit(admission);
  try {
    if (!target.admitted) {
      await context.admission.mutate(admission);
      await context.admission.validate(admission);
    }
    const marked = mark(kind, current.parse(), options);
    if (marked === 'gone') return { object: await remove(context, target, current), gone: true };
    if (marked === 'unchanged') return { object: current, gone: false };
    return { object: await write(context, target, marked, current), gone: false };
  } finally {
    settle();
  }
}

/** The object with what its deletion adds to it, or `gone` where nothing has to be waited for. */
function mark(kind: Kind, object: KubeObject, options: DeleteOptions): KubeObject | 'gone' | 'unchanged' {
  kind.prepareForDelete?.(object);
  const metadata = metaOf(object);
  const grace = kind.gracePeriodSeconds?.(object, options.gracePeriodSeconds) ?? 0;
  const before = metadata.finalizers ?? [];
  const finalizers = propagationFinalizers(before, options, kind.orphansByDefault === true);
  const waits = finalizers.length > 0 || grace > 0 || namespaceFinalizers(object).length > 0;
  if (!waits) return 'gone';
  const marked = metadata.deletionTimestamp !== undefined;
  const shortens = grace < (metadata.deletionGracePeriodSeconds ?? 0);
  if (marked && !shortens && finalizers.length === before.length) return 'unchanged';
  metadata.finalizers = finalizers.length > 0 ? finalizers : undefined;
  if (!marked || shortens) {
    const asked = marked ? Date.parse(metadata.deletionTimestamp ?? '') : Date.now();
    const from = marked ? asked - (metadata.deletionGracePeriodSeconds ?? 0) * 1000 : asked;
    metadata.deletionTimestamp = grace === 0 && !marked ? now() : formatTime(new Date(from + grace * 1000));
    metadata.deletionGracePeriodSeconds = grace;
    if (kind.generation && !marked) metadata.generation = (metadata.generation ?? 0) + 1;
  }
  markNamespace(object);
  return object;
}

/** A namespace that waits for its contents says so in its status. */
function markNamespace(object: KubeObject): void {
  if (object.kind !== 'Namespace' || object.apiVersion !== 'v1') return;
  (object as { status?: { phase?: string } }).status = {
    ...(object as { status?: object }).status,
    phase: 'Terminating',
  };
}

/** The garbage collector acts by these: `orphan` leaves dependents alone, `foregroundDeletion` takes them first. */
function propagationFinalizers(present: readonly string[], options: DeleteOptions, byDefault: boolean): string[] {
  const others = present.filter((finalizer) => finalizer !== ORPHAN && finalizer !== FOREGROUND);
  if (options.propagationPolicy && options.orphanDependents !== undefined) {
    throw badRequest('orphanDependents and propagationPolicy cannot be both set');
  }
  switch (options.propagationPolicy) {
    case 'Orphan':
      return [...others, ORPHAN];
    case 'Foreground':
      return [...others, FOREGROUND];
    case 'Background':
      return others;
    case undefined:
      if (options.orphanDependents !== undefined) return options.orphanDependents ? [...others, ORPHAN] : others;
      return byDefault && others.length === present.length ? [...others, ORPHAN] : [...present];
    default:
      throw badRequest(
        `propagationPolicy: Unsupported value: "${options.propagationPolicy}": supported values: "Background", "Foreground", "Orphan"`,
      );
  }
}

function assertPreconditions(
  kind: Kind,
  name: string,
  current: CachedObject,
  wanted: DeleteOptions['preconditions'],
): void {
  if (wanted?.uid !== undefined) {
    const uid = current.parse().metadata?.uid;
    if (uid !== wanted.uid) {
      throw conflict(kind, name, `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${uid}`);
    }
  }
  if (wanted?.resourceVersion !== undefined && wanted.resourceVersion !== String(current.revision)) {
    const have = `ResourceVersion in precondition: ${wanted.resourceVersion}, ResourceVersion in object meta: ${current.revision}`;
    throw conflict(kind, name, `Precondition failed: ${have}`);
  }
}
