import { setImmediate } from 'node:timers/promises';
import type { Kind } from '../../api/kind.ts';
import { apiVersion } from '../../api/resource.ts';
import { firstIndex } from '../../base/sorted.ts';
import { Compacted } from '../../store/store.ts';
import { type Answer, bytesAnswer, jsonAnswer } from '../answer.ts';
import { CachedObject, withRevision } from '../cache/object.ts';
import type { Context } from '../context.ts';
import { badRequest, expired, StatusError } from '../errors.ts';
import { hasProtobuf } from '../kinds.ts';
import { type Accepted, negotiate, PROTOBUF } from '../negotiation.ts';
import type { KindRequest } from '../request.ts';
import { type IncludeObject, metaVersion, PARTIAL_LIST, partialOf, TABLE, tableOf } from '../table.ts';
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
  const { kind, target, info } = request;
  const accepted = acceptedBy(request);
  return inForm(request, await readPage(context, request, selectionOf(kind, target, info.query)), accepted);
}

/** Objects that do not lie in the store, as a list. */
export function listOf(context: Context, request: KindRequest, objects: readonly CachedObject[]): Promise<Answer> {
  const { kind, target, info } = request;
  const accepted = acceptedBy(request);
  const selection = selectionOf(kind, target, info.query);
  const selected = objects.filter((object) => selection.matches(object));
  return inForm(request, { objects: selected, revision: context.cache.revision }, accepted);
}

const acceptedBy = ({ kind, request }: KindRequest): Accepted =>
  negotiate(request.headers.accept, [...TABLE, ...PARTIAL_LIST], hasProtobuf(kind));

async function inForm({ kind, info }: KindRequest, page: Page, accepted: Accepted): Promise<Answer> {
  if (accepted.format === 'protobuf') return renderProtobuf(kind, page, accepted);
  return { ...renderPage(kind, page, accepted, info.query), format: accepted.format };
}

async function readPage(context: Context, request: KindRequest, selection: Selection): Promise<Page> {
  const { query } = request.info;
  const view = viewOf(context.cache, request.kind);
  const prefix = view.prefix(request.target.namespace);
  const limit = numberOf(query, 'limit');
  if (request.kind.storedAs?.convert) await untilReady(view, prefix);
  const token = query.get('continue');
  if (token)
    return continued(context, request.kind, view, prefix, selection, limit, decodeToken(token, context.cache.revision));
  const asked = checkRevision(query, context.cache.revision);
  if (query.get('resourceVersionMatch') === 'Exact' && asked !== context.cache.revision) {
    return past(context, request.kind, view, prefix, selection, limit, { revision: asked, after: '' });
  }
  return present(view, prefix, selection, limit, context.cache.revision, '');
}

/** What comes while others are translated has to be translated too. */
async function untilReady(view: View, prefix: string): Promise<void> {
  let pending = view.ready(view.resource.list(prefix));
  while (pending) {
    await pending;
    pending = view.ready(view.resource.list(prefix));
  }
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

async function continued(
  context: Context,
  kind: Kind,
  view: View,
  prefix: string,
  selection: Selection,
  limit: number,
  position: Position,
): Promise<Page> {
  // Nothing changed since the first page: the cache still is that snapshot. Whether it may be read is the store's to say:
  // a token is worth no more in a cluster where little happens.
  if (view.resource.changed <= position.revision) {
    await readPast(context, prefix, position.revision, position.after, 1);
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
    const entries = page.entries.map(
      ({ key, value, modRevision }) =>
        new CachedObject(key, modRevision, withRevision(value, modRevision), kind.fieldLabels),
    );
    await view.ready(entries);
    for (const stored of entries) {
      const object = view.object(stored);
      if (selection.matches(object)) objects.push(object);
      last = stored.key;
    }
    if (!page.more) return { objects, revision };
    if (limit > 0 && objects.length >= limit) return { objects, revision, continue: encodeToken(revision, last) };
  }
}

async function readPast(context: Context, prefix: string, revision: number, after: string, limit: number | undefined) {
  try {
    return await context.store.list(prefix, { revision, after, limit });
  } catch (error) {
    if (!(error instanceof Compacted) || after === '') throw error;
    throw expired(
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without it, or go on with the continue token of this answer: what was created, changed or deleted since the first part of the list is then seen as it is now.',
      encodeToken(NEWEST, after),
    );
  }
}

/** Stands in a token for whatever revision is the newest when it is used. */
const NEWEST = -1;

function encodeToken(revision: number, after: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: after })).toString('base64url');
}

function decodeToken(token: string, newest: number): Position {
  try {
    const { rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (typeof rv === 'number' && typeof start === 'string')
      return { revision: rv === NEWEST ? newest : rv, after: start };
  } catch {
    throw badRequest('continue key is not valid');
  }
  throw badRequest('continue key is not valid');
}

function firstAfter(sorted: readonly CachedObject[], key: string): number {
  return firstIndex(sorted, (object) => object.key > key);
}

function numberOf(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? '';
  if (text === '') return 0;
  if (!/^\d+$/.test(text)) throw badRequest(`Invalid value: "${text}": ${name} must be a number`);
  return Number(text);
}

const COMMA = Buffer.from(',');
const OPEN = Buffer.from('{');
const LIST_END = Buffer.from(']}');

const metadataOf = (page: Page) => ({
  resourceVersion: String(page.revision),
  continue: page.continue,
  remainingItemCount: page.remaining,
});

/** Items that are encoded in one turn: others get theirs meanwhile. */
const ENCODED_AT_ONCE = 100;

async function renderProtobuf(kind: Kind, page: Page, accepted: Accepted): Promise<Answer> {
  const { encodeItem, encodeList } = await import('../../api/protobuf/encode.ts');
  const [version, item, list] = accepted.as
    ? [metaVersion(accepted), 'PartialObjectMetadata', accepted.as]
    : [apiVersion(kind), kind.kind, kind.listKind];
  const items: Uint8Array[] = [];
  for (const object of page.objects) {
    items.push(encodeItem(version, item, object.parse()));
    if (items.length % ENCODED_AT_ONCE === 0) await setImmediate();
  }
  const pieces = encodeList({ apiVersion: version, kind: list, metadata: metadataOf(page) }, items);
  return bytesAnswer(pieces, 200, { 'content-type': PROTOBUF });
}

function renderPage(kind: Kind, page: Page, accepted: Accepted, query: URLSearchParams): Answer {
  const metadata = metadataOf(page);
  if (accepted.as === 'Table') {
    const include = (query.get('includeObject') ?? 'Metadata') as IncludeObject;
    return jsonAnswer(tableOf(kind, page.objects, include, metadata, metaVersion(accepted)));
  }
  if (accepted.as === 'PartialObjectMetadataList') {
    const items = page.objects.map((object) => partialOf(object.parse(), metaVersion(accepted)));
    return jsonAnswer({ kind: accepted.as, apiVersion: metaVersion(accepted), metadata, items });
  }
  const head = { kind: kind.listKind, apiVersion: apiVersion(kind), metadata };
  const pieces: Uint8Array[] = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`)];
  page.objects.forEach((object, index) => {
    if (index > 0) pieces.push(COMMA);
    if (kind.schema) pieces.push(object.bytes);
    else pieces.push(OPEN, object.bytesWithoutType);
  });
  pieces.push(LIST_END);
  return bytesAnswer(pieces);
}
