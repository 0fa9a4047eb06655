import type { Kind } from '../../api/kind.ts';
import { apiVersion } from '../../api/resource.ts';
import type { KubeObject } from '../../api/types.ts';
import type { Answer, Sink } from '../answer.ts';
import { type CacheEvent, type ChangeType, watchLine } from '../cache/event.ts';
import { CachedObject } from '../cache/object.ts';
import type { Context } from '../context.ts';
import { badRequest, expired } from '../errors.ts';
import { hasProtobuf } from '../kinds.ts';
import { type Accepted, negotiate, PROTOBUF } from '../negotiation.ts';
import type { KindRequest } from '../request.ts';
import { type IncludeObject, metaVersion, PARTIAL, PARTIAL_LIST, partialOf, TABLE, tableOf } from '../table.ts';
import { tooNew } from './list.ts';
import { type Selection, selectionOf } from './selection.ts';
import { type View, viewOf } from './view.ts';

/** How often a watch that asked for bookmarks gets one, as Kubernetes does. */
const BOOKMARK_MS = 60_000;
/** A watch without `timeoutSeconds` lasts between this and twice this long, so that clients don't return together. */
const SHORTEST_MS = 30 * 60_000;

/** An event on the wire. Its object comes as JSON. */
type Frame = typeof watchLine;

interface WatchPlan {
  readonly kind: Kind;
  readonly view: View;
  readonly prefix: string;
  readonly selection: Selection;
  readonly accepted: Accepted;
  readonly frame: Frame;
  readonly include: IncludeObject;
  readonly bookmarks: boolean;
  /** Present objects come first, as ADDED. */
  readonly sendPresent: boolean;
  /** A bookmark tells where the present objects end. */
  readonly markEnd: boolean;
  readonly missed: readonly CacheEvent[];
  readonly timeoutMs: number;
}

export async function watchObjects(context: Context, request: KindRequest): Promise<Answer> {
  const { kind } = request;
  const accepted = negotiate(
    request.request.headers.accept,
    [...TABLE, ...PARTIAL, ...PARTIAL_LIST],
    hasProtobuf(kind),
  );
  const frame = accepted.format === 'protobuf' ? await protobufFrames() : watchLine;
  const plan = planWatch(context, request, accepted, frame);
  return {
    status: 200,
    headers: { 'content-type': contentTypeOf(accepted) },
    body: (sink) => new ObjectWatch(context, plan, sink).start(),
  };
}

/** As YAML there is no watch: it is JSON then. */
function contentTypeOf({ format, as }: Accepted): string {
  if (format === 'protobuf') return `${PROTOBUF};stream=watch`;
  return as ? `application/json;as=${as};v=v1;g=meta.k8s.io` : 'application/json';
}

async function protobufFrames(): Promise<Frame> {
  const { encodeWatchFrame } = await import('../../api/protobuf/encode.ts');
  return (type, object) => encodeWatchFrame(type, JSON.parse(Buffer.from(object).toString('utf8')) as KubeObject);
}

function planWatch(context: Context, request: KindRequest, accepted: Accepted, frame: Frame): WatchPlan {
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
    accepted,
    frame,
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
  /** What is sent before anything else. */
  #before: Promise<void> | undefined;

  constructor(context: Context, plan: WatchPlan, sink: Sink) {
    this.#context = context;
    this.#plan = plan;
    this.#sink = sink;
    this.#form = [plan.kind.group, plan.accepted.format, plan.accepted.as, plan.accepted.version, plan.include].join(
      '/',
    );
  }

  start(): () => void {
    const { view, bookmarks, timeoutMs, missed, sendPresent, markEnd } = this.#plan;
    if (sendPresent) this.#sendPresent();
    if (markEnd && bookmarks) this.#bookmark(true);
    for (const event of missed) this.#sendInOrder(event);
    const unsubscribe = view.resource.subscribe((event) => this.#sendInOrder(event));
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
    // The list itself goes on with what happens until its objects are translated.
    const present = [...view.resource.list(prefix)];
    this.#inOrder(present, () => {
      for (const stored of present) {
        const object = view.object(stored);
        if (selection.matches(object)) this.#sink.write(this.#plan.frame('ADDED', this.#bytes(object)));
      }
    });
  }

  #sendInOrder(event: CacheEvent): void {
    const { kind, view } = this.#plan;
    const send = () => this.#send(view.event(event));
    if (!kind.storedAs?.convert) send();
    else this.#inOrder(event.previous ? [event.object, event.previous] : [event.object], send);
  }

  /** At once, or where objects have to be translated first, when they and all before them are. */
  #inOrder(stored: readonly CachedObject[], send: () => void): void {
    const { view } = this.#plan;
    const pending = this.#before ? this.#before.then(() => view.ready(stored)) : view.ready(stored);
    if (!pending) {
      send();
      return;
    }
    const sent = pending.then(send).catch((error: unknown) => {
      this.#context.log.warn('a watch ends: its objects cannot be translated', { kind: this.#plan.kind.kind, error });
      this.#sink.end();
    });
    this.#before = sent;
    void sent.then(() => {
      if (this.#before === sent) this.#before = undefined;
    });
  }

  #send(event: CacheEvent): void {
    const type = this.#typeFor(event);
    if (!type) return;
    const { frame } = this.#plan;
    // Only the first Table of a watch tells the columns; it can't be shared with the others.
    if (this.#plan.accepted.as === 'Table' && !this.#sentColumns) {
      this.#sink.write(frame(type, this.#bytes(event.object)));
      return;
    }
    this.#sink.write(event.line(`${type} ${this.#form}`, () => frame(type, this.#bytes(event.object))));
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

  #bytes(object: CachedObject, include = this.#plan.include): Uint8Array {
    const { accepted, kind } = this.#plan;
    if (accepted.as === undefined) return object.bytes;
    if (accepted.as !== 'Table') return Buffer.from(JSON.stringify(partialOf(object.parse(), metaVersion(accepted))));
    const metadata = { resourceVersion: String(object.revision) };
    const table = tableOf(kind, [object], include, metadata, metaVersion(accepted), !this.#sentColumns);
    this.#sentColumns = true;
    return Buffer.from(JSON.stringify(table));
  }

  #bookmark(endsInitialEvents: boolean): void {
    const { kind, frame } = this.#plan;
    const { revision } = this.#context.cache;
    const annotations = endsInitialEvents ? { 'k8s.io/initial-events-end': 'true' } : undefined;
    const metadata = { resourceVersion: String(revision), creationTimestamp: null, annotations };
    const bytes = Buffer.from(JSON.stringify({ kind: kind.kind, apiVersion: apiVersion(kind), metadata }));
    const object = new CachedObject('', revision, bytes, kind.fieldLabels);
    // A table's rows have no annotations of their own: what marks the end comes with its object all the same.
    const include = endsInitialEvents && this.#plan.include === 'None' ? 'Metadata' : this.#plan.include;
    this.#inOrder([], () => this.#sink.write(frame('BOOKMARK', this.#bytes(object, include))));
  }
}
