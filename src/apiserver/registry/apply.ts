import { type Kind, metaOf } from '../../api/kind.ts';
import {
  applyConfiguration,
  type Conflict,
  formatPath,
  type ManagedFieldsEntry,
  pathsOf,
  type Writer,
} from '../../api/managed-fields/index.ts';
import type { KubeObject } from '../../api/types.ts';
import { assertAllowed } from '../auth/authorize.ts';
import type { CachedObject } from '../cache/object.ts';
import { asObject, decodeYaml, textOf } from '../codec.ts';
import type { Context } from '../context.ts';
import { badRequest, notFound, objectModified, StatusError } from '../errors.ts';
import { mediaType } from '../negotiation.ts';
import type { KindRequest } from '../request.ts';
import { checkConfiguration, decodeApplied, refuseDuplicates } from './decode.ts';
import { heldByLastApplied, renewLastApplied } from './last-applied.ts';
import { invalidOptions, placeOfKind, writerOf } from './managers.ts';
import { APPLY } from './patch.ts';
import { viewOf } from './view.ts';
import { assertNames, createObject, now, updateObject, type WriteTarget } from './write.ts';

export interface AppliedObject {
  readonly object: CachedObject;
  readonly created: boolean;
}

/** Tries of an apply whose object comes and goes at the same time. */
const ATTEMPTS = 5;

export const isApply = ({ request }: KindRequest): boolean => mediaType(request.headers['content-type']) === APPLY;

/** `force` is for apply alone. */
export function assertNoForce({ info }: KindRequest): void {
  if (!info.query.has('force')) return;
  throw invalidOptions('force', 'Forbidden: may not be specified for non-apply patch', 'FieldValueForbidden');
}

/** Server-side apply (KEP-555): the body says all that its manager wants of the object, which is made if it is missing. */
export async function applyBody(context: Context, request: KindRequest, target: WriteTarget): Promise<AppliedObject> {
  const config = checkConfiguration(request, await parseConfiguration(request));
  await refuseDuplicates(request, 'error strict decoding YAML: error converting YAML to JSON: ');
  assertNames(target, config);
  return applyObject(context, request, target, withoutForeign(target, config));
}

/** The body of an apply, before its schema is checked. */
export async function parseConfiguration({ info, request }: KindRequest): Promise<KubeObject> {
  if (!info.query.get('fieldManager')) {
    throw invalidOptions('fieldManager', 'Required value: is required for apply patch', 'FieldValueRequired');
  }
  const text = textOf(request.body);
  const config = asObject(await decodeConfiguration(text));
  if (!config.apiVersion || !config.kind) throw badRequest('apply patches must name their apiVersion and kind');
  if (config.metadata?.managedFields) throw badRequest('metadata.managedFields must be nil');
  return config;
}

/** Nearly all are JSON; one that only looks like it is YAML all the same. */
async function decodeConfiguration(text: string): Promise<unknown> {
  if (!text.trimStart().startsWith('{')) return decodeYaml(text);
  try {
    return JSON.parse(text);
  } catch {
    return decodeYaml(text);
  }
}

/** Only what is written through this path: the status through `/status`, all else through the object itself. */
function withoutForeign({ kind, subresource }: WriteTarget, config: KubeObject): KubeObject {
  if (!kind.hasStatus) return config;
  const { status, ...rest } = config as KubeObject & { status?: unknown };
  if (subresource === '') return rest;
  if (subresource !== 'status') return config;
  const { apiVersion, kind: name, metadata } = rest;
  return { apiVersion, kind: name, metadata, ...(status !== undefined && { status }) } as KubeObject;
}

/** Applies a configuration that was read and checked. */
export async function applyObject(
  context: Context,
  request: KindRequest,
  target: WriteTarget,
  config: KubeObject,
): Promise<AppliedObject> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (isThere(context, target)) {
        return { object: await applyToLive(context, request, target, config), created: false };
      }
      return { object: await createApplied(context, request, target, config), created: true };
    } catch (error) {
      const raced = error instanceof StatusError && ['NotFound', 'AlreadyExists'].includes(error.status.reason ?? '');
      // Somebody made or deleted it between the look and the write.
      if (!raced || attempt === ATTEMPTS || isThere(context, target) === (error.code === 404)) throw error;
    }
  }
}

function isThere(context: Context, { kind, namespace, name }: WriteTarget): boolean {
  const view = viewOf(context.cache, kind);
  return view.resource.get(view.key(namespace, name)) !== undefined;
}

async function createApplied(
  context: Context,
  request: KindRequest,
  target: WriteTarget,
  config: KubeObject,
): Promise<CachedObject> {
  const { kind, name } = target;
  if (target.subresource !== '') throw notFound(kind, name);
  if (config.metadata?.resourceVersion) throw objectModified(kind, name);
  assertAllowed(context, { ...request.info, verb: 'create' }, request.user);
  const object = structuredClone(config);
  metaOf(object).name = name;
  const made = applied(kind, writerOf(request), {}, object, true);
  return createObject(context, { ...target, manage: () => made.entries }, made.object);
}

async function applyToLive(
  context: Context,
  request: KindRequest,
  target: WriteTarget,
  config: KubeObject,
): Promise<CachedObject> {
  const force = request.info.query.get('force') === 'true';
  const writer = writerOf(request);
  let entries: readonly ManagedFieldsEntry[] = [];
  const change = (current: KubeObject) => {
    const next = applied(target.kind, writer, current, structuredClone(config), force);
    entries = next.entries;
    const resourceVersion = config.metadata?.resourceVersion || undefined;
    return { ...next.object, metadata: { ...next.object.metadata, resourceVersion } };
  };
  const retry = !config.metadata?.resourceVersion;
  return updateObject(context, { ...target, manage: () => entries }, change, { retry });
}

/** What is written through another path than this one. */
const foreignTo: Readonly<Record<string, readonly string[]>> = { '': ['status'], status: ['spec'] };

/** @throws StatusError 409 that names whose fields they are */
function applied(kind: Kind, writer: Writer, live: KubeObject, config: KubeObject, force: boolean) {
  const place = placeOfKind(kind);
  const entries = live.metadata?.managedFields ?? [];
  const foreign = kind.hasStatus ? foreignTo[writer.subresource] : undefined;
  const apply = (forced: boolean) =>
    applyConfiguration(place, entries, writer, live, config, { force: forced, time: now(), foreign });
  let result = apply(force);
  if ('conflicts' in result) {
    const conflicts = heldByLastApplied(place, writer, live, result.conflicts);
    if (conflicts.length > 0) throw conflictError(conflicts);
    result = apply(true);
    if ('conflicts' in result) throw conflictError(result.conflicts);
  }
  renewLastApplied(writer, result.object, config);
  return { ...result, object: decodeApplied(kind, result.object) };
}

function conflictError(conflicts: readonly Conflict[]): StatusError {
  const causes = conflicts.flatMap(({ entry, fields }) =>
    pathsOf(fields).map((path) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${ownerText(entry)}`,
      field: formatPath(path),
    })),
  );
  return new StatusError(409, 'Conflict', conflictMessage(conflicts, causes), { causes });
}

interface Cause {
  readonly message: string;
  readonly field: string;
}

function conflictMessage(conflicts: readonly Conflict[], causes: readonly Cause[]): string {
  const [only] = causes;
  if (only && causes.length === 1) return `Apply failed with 1 conflict: ${only.message}: ${only.field}`;
  const lines = conflicts
    .toSorted((a, b) => (identityOf(a.entry) < identityOf(b.entry) ? -1 : 1))
    .flatMap(({ entry, fields }) => [
      `conflicts with ${ownerText(entry)}:`,
      ...pathsOf(fields).map((path) => `- ${formatPath(path)}`),
    ]);
  return `Apply failed with ${causes.length} conflicts: ${lines.join('\n')}`;
}

/** What tells managers apart, and puts them in order. */
function identityOf({ manager, operation, apiVersion, subresource }: ManagedFieldsEntry): string {
  return JSON.stringify({
    manager,
    operation,
    apiVersion: operation === 'Update' ? apiVersion : undefined,
    subresource,
  });
}

/** `"helm"`, or `"kubectl" with subresource "scale" using apps/v1`. */
function ownerText({ manager, operation, apiVersion, subresource }: ManagedFieldsEntry): string {
  const within = subresource ? ` with subresource ${JSON.stringify(subresource)}` : '';
  const since = operation === 'Update' ? ` using ${apiVersion}` : '';
  return JSON.stringify(manager ?? '') + within + since;
}
