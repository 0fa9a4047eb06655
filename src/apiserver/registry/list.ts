import type { Kind } from '../../api/kind.ts';
import { Compacted } from '../../store/store.ts';
import { type Answer, bytesAnswer, jsonAnswer } from '../answer.ts';
import { CachedObject, withRevision } from '../cache/object.ts';
import type { Context } from '../context.ts';
import { badRequest, expired, StatusError } from '../errors.ts';
import { type Accepted, negotiate } from '../negotiation.ts';
import type { KindRequest } from '../request.ts';
import { type IncludeObject, PARTIAL_LIST, partialOf, TABLE, tableOf } from '../table.ts';
import { type Selection, selectionOf } from './selection.ts';
import { type View, viewOf } from './view.ts';

/** A page of objects, all as of one revision. */
interface Page {
  readonly objects: readonly CachedObject[];
  readonly revision: number;
  /** Asks for the next page. */
  readonly continue?: string;
  readonly remaining?: number;
}

export async function listObjects(context: Context, request: KindRequest): Promise<Answer> {
  const { kind, info } = request;
  const accepted = negotiate(request.request.headers.accept, [TABLE, PARTIAL_LIST]);
  const page = await readPage(context, request, selectionOf(kind, request.target, info.query));
  return renderPage(kind, page, accepted, info.query);
}

async function readPage(context: Context, request: KindRequest, selection: Selection): Promise<Page> {
  const { query } = request.info;
  const view = viewOf(context.cache, request.kind);
  const prefix = view.prefix(request.target.namespace);
  const limit = numberOf(query, 'limit');
  const token = query.get('continue');
  if (token) return continued(context, request.kind, view, prefix, selection, limit, decodeToken(token));
  const asked = checkRevision(query, context.cache.revision);
  if (query.get('resourceVersionMatch') === 'Exact' && asked !== context.cache.revision) {
    return past(context, request.kind, view, prefix, selection, limit, { revision: asked, after: '' });
  }
  return present(view, prefix, selection, limit, context.cache.revision, '');
}

function checkRevision(query: URLSearchParams, newest: number): number {
  const asked = numberOf(query, 'resourceVersion');
  const match = query.get('resourceVersionMatch');
  if (match && !query.has('resourceVersion')) {
    throw badRequest(
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    );
  }
  if (match && match !== 'Exact' && match !== 'NotOlderThan') {
    throw badRequest(`resourceVersionMatch: Unsupported value: "${match}": supported values: "Exact", "NotOlderThan"`);
  }
  if (asked > newest) throw tooNew(asked, newest);
  return asked;
}

/** Kubernetes' answer to a revision that it has not seen yet. */
export function tooNew(asked: number, newest: number): StatusError {
  return new StatusError(
    504,
    'Timeout',
    `Too large resource version: ${asked}, current: ${newest}`,
    { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }], retryAfterSeconds: 1 },
    { 'retry-after': '1' },
  );
}

/** From the cache, as it is now. */
function present(
  view: View,
  prefix: string,
  selection: Selection,
  limit: number,
  revision: number,
  after: string,
): Page {
  const all = view.resource.list(prefix);
  if (selection.everything && limit === 0 && after === '') {
    return { objects: all.map((object) => view.object(object)), revision };
  }
  const objects: CachedObject[] = [];
  let index = after === '' ? 0 : firstAfter(all, after);
  for (; index < all.length && (limit === 0 || objects.length < limit); index++) {
    const object = view.object(all[index] as CachedObject);
    if (selection.matches(object)) objects.push(object);
  }
  const last = all[index - 1];
  if (index >= all.length || !last) return { objects, revision };
  return {
    objects,
    revision,
    continue: encodeToken(revision, last.key),
    remaining: selection.everything ? all.length - index : undefined,
  };
}

interface Position {
  readonly revision: number;
  readonly after: string;
}

function continued(
  context: Context,
  kind: Kind,
  view: View,
  prefix: string,
  selection: Selection,
  limit: number,
  position: Position,
): Promise<Page> | Page {
  // Nothing changed since the first page: the cache still is that snapshot.
  if (view.resource.changed <= position.revision) {
    return present(view, prefix, selection, limit, position.revision, position.after);
  }
  return past(context, kind, view, prefix, selection, limit, position);
}

/** From the store, as it was. */
async function past(
  context: Context,
  kind: Kind,
  view: View,
  prefix: string,
  selection: Selection,
  limit: number,
  { revision, after }: Position,
): Promise<Page> {
  const objects: CachedObject[] = [];
  let last = after;
  for (;;) {
    const wanted = limit === 0 ? undefined : limit - objects.length;
    const page = await readPast(context, prefix, revision, last, wanted);
    for (const { key, value, modRevision } of page.entries) {
      const stored = new CachedObject(key, modRevision, withRevision(value, modRevision), kind.fieldLabels);
      const object = view.object(stored);
      if (selection.matches(object)) objects.push(object);
      last = key;
    }
    if (!page.more) return { objects, revision };
    if (limit > 0 && objects.length >= limit) return { objects, revision, continue: encodeToken(revision, last) };
  }
}

async function readPast(context: Context, prefix: string, revision: number, after: string, limit: number | undefined) {
  try {
    return await context.store.list(prefix, { revision, after, limit });
  } catch (error) {
    if (!(error instanceof Compacted)) throw error;
    throw expired(
      'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
    );
  }
}

function encodeToken(revision: number, after: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: after })).toString('base64url');
}

function decodeToken(token: string): Position {
  try {
    const { rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (typeof rv === 'number' && typeof start === 'string') return { revision: rv, after: start };
  } catch {
    throw badRequest('continue key is not valid');
  }
  throw badRequest('continue key is not valid');
}

function firstAfter(sorted: readonly CachedObject[], key: string): number {
  const index = sorted.findIndex((object) => object.key > key);
  return index < 0 ? sorted.length : index;
}

function numberOf(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? '';
  if (text === '') return 0;
  if (!/^\d+$/.test(text)) throw badRequest(`Invalid value: "${text}": ${name} must be a number`);
  return Number(text);
}

const COMMA = Buffer.from(',');
const LIST_END = Buffer.from(']}');

function renderPage(kind: Kind, page: Page, accepted: Accepted, query: URLSearchParams): Answer {
  const metadata = {
    resourceVersion: String(page.revision),
    continue: page.continue,
    remainingItemCount: page.remaining,
  };
  if (accepted.as === 'Table') {
    const include = (query.get('includeObject') ?? 'Metadata') as IncludeObject;
    return jsonAnswer(tableOf(kind, page.objects, include, metadata));
  }
  if (accepted.as === 'PartialObjectMetadataList') {
    const items = page.objects.map((object) => partialOf(object.parse()));
    return jsonAnswer({ kind: accepted.as, apiVersion: 'meta.k8s.io/v1', metadata, items });
  }
  const version = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  const head = { kind: kind.listKind, apiVersion: version, metadata };
  const pieces: Uint8Array[] = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`)];
  page.objects.forEach((object, index) => {
    if (index > 0) pieces.push(COMMA);
    pieces.push(object.bytes);
  });
  pieces.push(LIST_END);
  return bytesAnswer(pieces);
}
