import type { Kind } from '../../api/kind.ts';
import type { KubeObject, Labels, ObjectMeta } from '../../api/types.ts';

const METADATA = '"metadata":{';

/** How the facts that selectors ask for are read from an object. */
export type FieldReaders = Kind['fieldLabels'];

/** One revision of an object, as the bytes that clients get. */
export class CachedObject {
  /** Key in the store. */
  readonly key: string;
  readonly revision: number;
  readonly bytes: Buffer;
  readonly #readers: FieldReaders;
  #facts: { labels: Labels; fields: Record<string, string> } | undefined;

  constructor(key: string, revision: number, bytes: Buffer, readers: FieldReaders) {
    this.key = key;
    this.revision = revision;
    this.bytes = bytes;
    this.#readers = readers;
  }

  /** What follows `{"kind":…,"apiVersion":…,`: in lists of built-in kinds the list alone names them. */
  get bytesWithoutType(): Uint8Array {
    return this.bytes.subarray(this.bytes.indexOf(METADATA));
  }

  /** A fresh copy of the object; the caller may change it. */
  parse<T extends KubeObject = KubeObject>(): T {
    return JSON.parse(this.bytes.toString('utf8')) as T;
  }

  get labels(): Labels {
    return this.#read().labels;
  }

  /** Value of a field label, `''` where the object has none; `undefined` where the kind does not offer the label. */
  field(label: string): string | undefined {
    return this.#read().fields[label];
  }

  /** Read once, at the first selector that asks: what nobody selects is never parsed. */
  #read() {
    this.#facts ??= factsOf(this.parse(), this.#readers);
    return this.#facts;
  }
}

/** A fact that is read once of each revision of an object; it is shared, so that nobody may change it. */
export function remembered<T>(read: (object: CachedObject) => T): (object: CachedObject) => T {
  const known = new WeakMap<CachedObject, { readonly value: T }>();
  return (object) => {
    let found = known.get(object);
    if (!found) {
      found = { value: read(object) };
      known.set(object, found);
    }
    return found.value;
  };
}

function factsOf(object: KubeObject, readers: FieldReaders) {
  const fields: Record<string, string> = {
    'metadata.name': object.metadata?.name ?? '',
    'metadata.namespace': object.metadata?.namespace ?? '',
  };
  for (const [label, read] of Object.entries(readers)) fields[label] = read(object);
  return { labels: object.metadata?.labels ?? {}, fields };
}

/**
 * The text that is stored: `kind`, `apiVersion` and `metadata` stand first, and the resource version is left out, since
 * it is the store's to give. It is made part by part: V8 takes twice as long for a text of more than 2 kB as for its
 * halves.
 */
export function encodeObject(object: KubeObject): string {
  let text = '';
  const add = (field: string, value: unknown) => {
    if (value !== undefined) text += `${text === '' ? '{' : ','}${JSON.stringify(field)}:${JSON.stringify(value)}`;
  };
  add('kind', object.kind);
  add('apiVersion', object.apiVersion);
  add('metadata', withoutVersion(object.metadata ?? {}));
  for (const field in object) if (!standFirst.includes(field)) add(field, object[field as keyof KubeObject]);
  return `${text}}`;
}

const standFirst = ['kind', 'apiVersion', 'metadata'];

function withoutVersion(metadata: ObjectMeta): ObjectMeta {
  if (metadata.resourceVersion === undefined) return metadata;
  const { resourceVersion: _given, ...kept } = metadata;
  return kept;
}

/** The stored text with its resource version in it. */
export function withRevision(value: string, revision: number): Buffer {
  const at = value.indexOf(METADATA) + METADATA.length;
  return Buffer.from(`${value.slice(0, at)}"resourceVersion":"${revision}",${value.slice(at)}`);
}
