type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/** An element in nft's own spelling: `10.0.0.1 . tcp . 80`, `10.0.0.0/8`. */
export interface NftElement {
  readonly key: string;
  /** Of a map: `0:4001`, `10.0.0.1 . 80`, `goto CHAIN`; of a set `''`. */
  readonly value: string;
  readonly comment?: string;
}

/** What `nft -j list table` says. */
export class NftListing {
  readonly #containers = new Map<string, { readonly isMap: boolean; readonly list: readonly Json[] }>();
  readonly #rules = new Map<string, number>();

  constructor(objects: readonly unknown[]) {
    for (const object of objects as readonly JsonObject[]) {
      const container = asObject(object.set ?? object.map);
      const chain = asObject(object.chain);
      const rule = asObject(object.rule);
      if (chain) this.#rules.set(String(chain.name), this.#rules.get(String(chain.name)) ?? 0);
      if (rule) this.#rules.set(String(rule.chain), (this.#rules.get(String(rule.chain)) ?? 0) + 1);
      if (!container) continue;
      const list = Array.isArray(container.elem) ? (container.elem as readonly Json[]) : [];
      this.#containers.set(String(container.name), { isMap: object.map !== undefined, list });
    }
  }

  /** Names of sets and maps. */
  get containers(): Iterable<string> {
    return this.#containers.keys();
  }

  /** How many rules each chain has. */
  get rules(): ReadonlyMap<string, number> {
    return this.#rules;
  }

  *elements(container: string): Iterable<NftElement> {
    const { isMap, list } = this.#containers.get(container) ?? { isMap: false, list: [] };
    for (const item of list) {
      const [key = null, value] = isMap ? (item as readonly Json[]) : [item];
      const element = asObject(asObject(key)?.elem);
      const comment = element?.comment;
      yield {
        key: textOf(element ? (element.val ?? null) : key),
        value: value === undefined ? '' : spelled(value),
        ...(comment === undefined ? {} : { comment: String(comment) }),
      };
    }
  }
}

function spelled(value: Json): string {
  const target = asObject(asObject(value)?.goto)?.target;
  return target === undefined ? textOf(value) : `goto ${target}`;
}

/** `{ concat: [a, b] }` → `a . b`, `{ prefix: … }` → `10.0.0.0/8`, `{ range: [a, b] }` → `a-b`. */
function textOf(value: Json): string {
  const object = asObject(value);
  if (!object) return String(value);
  if (Array.isArray(object.concat)) return object.concat.map(textOf).join(' . ');
  const prefix = asObject(object.prefix);
  if (prefix) return `${prefix.addr}/${prefix.len}`;
  if (Array.isArray(object.range)) return object.range.map(textOf).join('-');
  return JSON.stringify(value);
}

function asObject(value: Json | undefined): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}
