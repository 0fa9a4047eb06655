import type { CachedObject } from './object.ts';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** One change of one object, with what was made of it for watchers: each form is made once, whatever their number. */
export class CacheEvent {
  readonly type: ChangeType;
  readonly revision: number;
  /** What it is now; for `DELETED`, what it was, at the revision of its deletion. */
  readonly object: CachedObject;
  readonly previous: CachedObject | undefined;
  /** Most events are of interest to nobody who reads bytes. */
  #forms: Map<string, Buffer> | undefined;

  constructor(type: ChangeType, revision: number, object: CachedObject, previous: CachedObject | undefined) {
    this.type = type;
    this.revision = revision;
    this.object = object;
    this.previous = previous;
  }

  /** The line of a form (`ADDED json`, `MODIFIED table` …), made by `make` the first time. */
  line(form: string, make: () => Buffer): Buffer {
    this.#forms ??= new Map();
    let line = this.#forms.get(form);
    if (!line) {
      line = make();
      this.#forms.set(form, line);
    }
    return line;
  }
}

/** A line of a watch: `{"type":"ADDED","object":…}`. */
export function watchLine(type: ChangeType | 'BOOKMARK' | 'ERROR', object: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), object, LINE_END]);
}

const LINE_END = Buffer.from('}\n');
