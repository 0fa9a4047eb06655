import type { Kind } from '../../api/kind.ts';
import type { Answer, Sink } from '../answer.ts';
import { type CacheEvent, type ChangeType, watchLine } from '../cache/event.ts';
import type { CachedObject } from '../cache/object.ts';
import type { Context } from '../context.ts';
import { badRequest, expired } from '../errors.ts';
import { type Accepted, negotiate } from '../negotiation.ts';
import type { KindRequest } from '../request.ts';
import { type IncludeObject, PARTIAL, PARTIAL_LIST, partialOf, TABLE, tableOf } from '../table.ts';
import { tooNew } from './list.ts';
import { type Selection, selectionOf } from './selection.ts';
import { type View, viewOf } from './view.ts';

/** How often a watch that asked for bookmarks gets one, as Kubernetes does. */
const BOOKMARK_MS = 60_000;
/** A watch without `timeoutSeconds` lasts between this and twice this long, so that clients don't return together. */
const SHORTEST_MS = 30 * 60_000;

interface WatchPlan {
  readonly kind: Kind;
  readonly view: View;
  readonly prefix: string;
  readonly selection: Selection;
  readonly accepted: Accepted;
  readonly include: IncludeObject;
  readonly bookmarks: boolean;
  /** Present objects come first, as ADDED. */
  readonly sendPresent: boolean;
  /** A bookmark tells where the present objects end. */
  readonly markEnd: boolean;
  readonly missed: readonly CacheEvent[];
  readonly timeoutMs: number;
}

export function watchObjects(context: Context, request: KindRequest): Answer {
  const plan = planWatch(context, request);
  const type = plan.accepted.as ? `application/json;as=${plan.accepted.as};v=v1;g=meta.k8s.io` : 'application/json';
  return {
    status: 200,
    headers: { 'content-type': type },
    body: (sink) => new ObjectWatch(context, plan, sink).start(),
  };
}

function planWatch(context: Context, request: KindRequest): WatchPlan {
  const { kind, target, info } = request;
  const { query } = info;
  const view = viewOf(context.cache, kind);
  const asked = revisionOf(query);
  if (asked > context.cache.revision) throw tooNew(asked, context.cache.revision);
  const markEnd = sendsInitialEvents(query);
  const sendPresent = query.has('sendInitialEvents') ? markEnd : asked === 0;
  const missed = sendPresent || asked === 0 ? [] : view.resource.eventsAfter(asked);
  if (!missed) throw expired(`too old resource version: ${asked} (${context.cache.revision})`);
  const seconds = Number(query.get('timeoutSeconds') ?? 0);
  return {
    kind,
    view,
    prefix: view.prefix(target.namespace),
    selection: selectionOf(kind, target, query),
    accepted: negotiate(request.request.headers.accept, [TABLE, PARTIAL, PARTIAL_LIST]),
    include: (query.get('includeObject') ?? 'Metadata') as IncludeObject,
    bookmarks: isTrue(query.get('allowWatchBookmarks')),
    sendPresent,
    markEnd,
    missed,
    timeoutMs: seconds > 0 ? seconds * 1000 : SHORTEST_MS * (1 + Math.random()),
  };
}

function revisionOf(query: URLSearchParams): number {
  const text = query.get('resourceVersion') ?? '';
  if (!/^\d*$/.test(text)) throw badRequest(`Invalid value: "${text}": resourceVersion must be a number`);
  return Number(text);
}

function sendsInitialEvents(query: URLSearchParams): boolean {
  if (!query.has('sendInitialEvents')) return false;
  if (query.get('resourceVersionMatch') !== 'NotOlderThan') {
    throw badRequest(
      'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  }
  return isTrue(query.get('sendInitialEvents'));
}

const isTrue = (text: string | null) => text === 'true' || text === '1';

/** One client's watch: chooses and forms events, and writes them. */
class ObjectWatch {
  readonly #context: Context;
  readonly #plan: WatchPlan;
  readonly #sink: Sink;
  readonly #form: string;
  #sentColumns = false;

  constructor(context: Context, plan: WatchPlan, sink: Sink) {
    this.#context = context;
    this.#plan = plan;
    this.#sink = sink;
    this.#form = `${plan.kind.group}/${plan.accepted.as ?? ''}/${plan.include}`;
  }

  start(): () => void {
    const { view, bookmarks, timeoutMs, missed, sendPresent, markEnd } = this.#plan;
    if (sendPresent) this.#sendPresent();
    if (markEnd && bookmarks) this.#bookmark(true);
    for (const event of missed) this.#send(view.event(event));
    const unsubscribe = view.resource.subscribe((event) => this.#send(view.event(event)));
    // What the client knows of the kind is no longer so: it asks again.
    const forget = this.#context.kinds.onRetired(this.#plan.kind, () => this.#sink.end());
    const bookmarking = bookmarks ? setInterval(() => this.#bookmark(false), BOOKMARK_MS) : undefined;
    const deadline = setTimeout(() => {
      if (bookmarks) this.#bookmark(false);
      this.#sink.end();
    }, timeoutMs);
    deadline.unref();
    bookmarking?.unref();
    return () => {
      unsubscribe();
      forget();
      clearInterval(bookmarking);
      clearTimeout(deadline);
    };
  }

  #sendPresent(): void {
    const { view, prefix, selection } = this.#plan;
    for (const stored of view.resource.list(prefix)) {
      const object = view.object(stored);
      if (selection.matches(object)) this.#sink.write(watchLine('ADDED', this.#bytes(object)));
    }
  }

  #send(event: CacheEvent): void {
    const type = this.#typeFor(event);
    if (!type) return;
    // Only the first Table of a watch tells the columns; it can't be shared with the others.
    if (this.#plan.accepted.as === 'Table' && !this.#sentColumns) {
      this.#sink.write(watchLine(type, this.#bytes(event.object)));
      return;
    }
    this.#sink.write(event.line(`${type} ${this.#form}`, () => watchLine(type, this.#bytes(event.object))));
  }

  /** What the change is to somebody who sees only the selected objects. */
  #typeFor(event: CacheEvent): ChangeType | undefined {
    const { prefix, selection } = this.#plan;
    if (!event.object.key.startsWith(prefix)) return undefined;
    if (selection.everything) return event.type;
    const before = event.previous !== undefined && selection.matches(event.previous);
    const after = event.type !== 'DELETED' && selection.matches(event.object);
    if (before && after) return 'MODIFIED';
    if (after) return 'ADDED';
    return before ? 'DELETED' : undefined;
  }

  #bytes(object: CachedObject): Uint8Array {
    const { accepted, kind, include } = this.#plan;
    if (accepted.as === undefined) return object.bytes;
    if (accepted.as !== 'Table') return Buffer.from(JSON.stringify(partialOf(object.parse())));
    const table = tableOf(kind, [object], include, { resourceVersion: String(object.revision) }, !this.#sentColumns);
    this.#sentColumns = true;
    return Buffer.from(JSON.stringify(table));
  }

  #bookmark(endsInitialEvents: boolean): void {
    const { kind, accepted } = this.#plan;
    const annotations = endsInitialEvents ? { 'k8s.io/initial-events-end': 'true' } : undefined;
    const metadata = { resourceVersion: String(this.#context.cache.revision), creationTimestamp: null, annotations };
    const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
    const object =
      accepted.as === 'Table'
        ? { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: null, rows: [] }
        : { kind: kind.kind, apiVersion, metadata };
    this.#sink.write(watchLine('BOOKMARK', Buffer.from(JSON.stringify(object))));
  }
}
