import type { Kind } from '../../api/kind.ts';
import type { KubeObject } from '../../api/types.ts';
import { type Answer, bytesAnswer, jsonAnswer } from '../answer.ts';
import { assertAllowed } from '../auth/authorize.ts';
import type { CachedObject } from '../cache/object.ts';
import { decodeBody, textOf } from '../codec.ts';
import type { Context } from '../context.ts';
import { notFound, StatusError } from '../errors.ts';
import { hasProtobuf } from '../kinds.ts';
import { negotiate } from '../negotiation.ts';
import { dryRunOf, type KindRequest } from '../request.ts';
import { type IncludeObject, metaVersion, PARTIAL, partialOf, TABLE, tableOf } from '../table.ts';
import { applyBody, assertNoForce, isApply } from './apply.ts';
import { checkObject, readChecked } from './decode.ts';
import { type DeleteOptions, deleteObject } from './delete.ts';
import { listObjects } from './list.ts';
import { managersOfUpdate } from './managers.ts';
import { parsePatch } from './patch.ts';
import { assertNamed, assertSameUid, assertVersionGiven, namesVersion } from './preconditions.ts';
import { selectionOf } from './selection.ts';
import { viewOf } from './view.ts';
import { watchObjects } from './watch.ts';
import { assertNames, createObject, updateObject, type WriteTarget } from './write.ts';

export type Handler = (context: Context, request: KindRequest) => Promise<Answer> | Answer;

/** The one handler of all kinds, by verb. */
export const objectHandlers: Readonly<Record<string, Handler>> = {
  get: getNamed,
  list: listObjects,
  watch: watchObjects,
  create: createFromBody,
  update: updateFromBody,
  patch: patchFromBody,
  delete: deleteNamed,
  deletecollection: deleteSelected,
};

function getNamed(context: Context, request: KindRequest): Promise<Answer> | Answer {
  const object = readObject(context, request);
  if (object instanceof Promise) return object.then((ready) => objectAnswer(request, ready, 200));
  return objectAnswer(request, object, 200);
}

/** Later only where somebody has to be asked for its form. */
export function readObject(context: Context, { kind, target }: KindRequest): Promise<CachedObject> | CachedObject {
  const view = viewOf(context.cache, kind);
  const stored = view.resource.get(view.key(target.namespace, target.name));
  if (!stored) throw notFound(kind, target.name);
  const ready = view.ready([stored]);
  return ready ? ready.then(() => view.object(stored)) : view.object(stored);
}

/** One object in the form that the client asked for. */
export function objectAnswer(request: KindRequest, object: CachedObject, status: number): Answer {
  const { kind, warnings, info } = request;
  const accepted = negotiate(request.request.headers.accept, [...TABLE, ...PARTIAL], hasProtobuf(kind));
  const { format } = accepted;
  if (accepted.as === 'Table') {
    const include = (info.query.get('includeObject') ?? 'Metadata') as IncludeObject;
    const metadata = { resourceVersion: String(object.revision) };
    return {
      ...jsonAnswer(tableOf(kind, [object], include, metadata, metaVersion(accepted)), status),
      warnings,
      format,
    };
  }
  if (accepted.as) return { ...jsonAnswer(partialOf(object.parse(), metaVersion(accepted)), status), warnings, format };
  return { ...bytesAnswer([object.bytes], status), warnings, format };
}

export function writeTargetOf(request: KindRequest): WriteTarget {
  const { kind, target, user, info } = request;
  return {
    kind,
    namespace: target.namespace,
    name: target.name,
    subresource: target.subresource,
    user,
    dryRun: dryRunOf(info.query.getAll('dryRun')),
    manage: managersOfUpdate(request),
    warnings: request.warnings,
    annotations: request.request.annotations,
  };
}

async function createFromBody(context: Context, request: KindRequest): Promise<Answer> {
  const read = readChecked(request);
  const object = read instanceof Promise ? await read : read;
  const target = writeTargetOf(request);
  assertNames(target, object);
  return objectAnswer(request, await createObject(context, target, object), 201);
}

async function updateFromBody(context: Context, request: KindRequest): Promise<Answer> {
  const object = await readChecked(request);
  const target = writeTargetOf(request);
  assertNamed(target, object);
  assertNames(target, object);
  if (mayCreate(context, request)) {
    assertSameUid(target.kind, target, object, undefined);
    assertAllowed(context, { ...request.info, verb: 'create' }, request.user);
    return objectAnswer(request, await createObject(context, { ...target, name: '' }, object), 201);
  }
  // Without a resource version the last writer wins, whoever was between.
  const retry = !namesVersion(object);
  const replacement = () => {
    assertVersionGiven(target.kind, target.name, object);
    return structuredClone(object);
  };
  const written = await updateObject(context, target, replacement, { retry });
  return objectAnswer(request, written, 200);
}

function mayCreate(context: Context, { kind, target }: KindRequest): boolean {
  if (target.subresource !== '' || !kind.createdByPut) return false;
  const view = viewOf(context.cache, kind);
  return !view.resource.get(view.key(target.namespace, target.name));
}

async function patchFromBody(context: Context, request: KindRequest): Promise<Answer> {
  const { body, headers } = request.request;
  if (isApply(request)) {
    const { object, created } = await applyBody(context, request, writeTargetOf(request));
    return objectAnswer(request, object, created ? 201 : 200);
  }
  assertNoForce(request);
  const patch = parsePatch(request.kind, body, headers['content-type']);
  const target = writeTargetOf(request);
  // They are most of a small object: a patch that does not speak of them is spared them.
  const editsManagers = textOf(body).includes('managedFields');
  let warnings: string[] = [];
  const change = (current: KubeObject) => {
    const before = current.metadata?.resourceVersion;
    if (!editsManagers) delete current.metadata?.managedFields;
    warnings = [];
    const next = checkObject({ ...request, warnings }, patch(current));
    assertNames(target, next);
    // Unless the patch itself names a version, it is made again for a newer one.
    if (next.metadata && next.metadata.resourceVersion === before) delete next.metadata.resourceVersion;
    return next;
  };
  const written = await updateObject(context, target, change, { retry: true });
  request.warnings.push(...warnings);
  return objectAnswer(request, written, 200);
}

async function deleteNamed(context: Context, request: KindRequest): Promise<Answer> {
  const options = await deleteOptionsOf(request);
  const target = { ...writeTargetOf(request), dryRun: isDryRun(request, options) };
  const { object, gone } = await deleteObject(context, target, options);
  if (!gone || request.kind.gracePeriodSeconds) return objectAnswer(request, object, 200);
  return jsonAnswer(deletedStatus(request.kind, target.name, object.parse().metadata?.uid));
}

function deletedStatus(kind: Kind, name: string, uid: string | undefined) {
  const details = { name, group: kind.group || undefined, kind: kind.plural, uid };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}

async function deleteSelected(context: Context, request: KindRequest): Promise<Answer> {
  const options = await deleteOptionsOf(request);
  const view = viewOf(context.cache, request.kind);
  const selection = selectionOf(request.kind, request.target, request.info.query);
  // The list itself goes on with what happens meanwhile.
  const present = [...view.resource.list(view.prefix(request.target.namespace))];
  await view.ready(present);
  const chosen = present.map((stored) => view.object(stored)).filter((object) => selection.matches(object));
  const dryRun = isDryRun(request, options);
  await Promise.all(
    chosen.map((object) =>
      deleteUnlessGone(context, { ...writeTargetOf(request), ...namesOf(object), dryRun }, options),
    ),
  );
  const answer = await listOf(request.kind, chosen, context.cache.revision);
  return { ...answer, warnings: request.warnings };
}

const namesOf = (object: CachedObject) => ({
  name: object.field('metadata.name') ?? '',
  namespace: object.field('metadata.namespace') ?? '',
});

async function deleteUnlessGone(context: Context, target: WriteTarget, options: DeleteOptions): Promise<void> {
  try {
    await deleteObject(context, target, options);
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 404) throw error;
  }
}

function listOf(kind: Kind, objects: readonly CachedObject[], revision: number): Answer {
  const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  const items = objects.map((object) => object.parse());
  return jsonAnswer({ kind: kind.listKind, apiVersion, metadata: { resourceVersion: String(revision) }, items });
}

/** DeleteOptions come in the body or, some of them, in the query. */
async function deleteOptionsOf({ request, info }: KindRequest): Promise<DeleteOptions> {
  const given = request.body
    ? ((await decodeBody(request.body, request.headers['content-type'])) as DeleteOptions)
    : undefined;
  const seconds = info.query.get('gracePeriodSeconds');
  const orphan = info.query.get('orphanDependents');
  return {
    ...given,
    gracePeriodSeconds: given?.gracePeriodSeconds ?? (seconds === null ? undefined : Number(seconds)),
    propagationPolicy: given?.propagationPolicy ?? info.query.get('propagationPolicy') ?? undefined,
    orphanDependents: given?.orphanDependents ?? (orphan === null ? undefined : orphan === 'true'),
  };
}

const isDryRun = ({ info }: KindRequest, options: DeleteOptions) =>
  dryRunOf([...info.query.getAll('dryRun'), ...(options.dryRun ?? [])]);
