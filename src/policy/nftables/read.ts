type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/** What is in the kernel's table, in the words of {@link Content}. */
export interface TableState {
  readonly sets: ReadonlySet<string>;
  readonly elements: ReadonlyMap<string, string>;
  /** How many rules each chain has. */
  readonly chains: ReadonlyMap<string, number>;
}

/** Reads the objects of `nft -j list table`. */
export function readTable(objects: readonly unknown[]): TableState {
  const sets = new Set<string>();
  const elements = new Map<string, string>();
  const chains = new Map<string, number>();
  for (const object of objects as readonly JsonObject[]) {
    const chain = asObject(object.chain);
    if (chain) chains.set(String(chain.name), chains.get(String(chain.name)) ?? 0);
    const rule = asObject(object.rule);
    if (rule) chains.set(String(rule.chain), (chains.get(String(rule.chain)) ?? 0) + 1);
    const container = asObject(object.set ?? object.map);
    if (!container) continue;
    sets.add(String(container.name));
    const list = Array.isArray(container.elem) ? (container.elem as readonly Json[]) : [];
    for (const item of list) {
      const [key, value] = object.map !== undefined ? (item as readonly Json[]) : [item, undefined];
      elements.set(`${container.name} ${textOf(key ?? null)}`, verdictOf(value));
    }
  }
  return { sets, elements, chains };
}

function verdictOf(value: Json | undefined): string {
  const target = asObject(asObject(value)?.goto)?.target;
  return target !== undefined ? `goto ${target}` : value === undefined ? '' : JSON.stringify(value);
}

/** `{ concat: [a, b] }` → `a . b`, `{ prefix: … }` → `10.0.0.0/8`. */
function textOf(value: Json): string {
  const object = asObject(value);
  if (!object) return String(value);
  if (Array.isArray(object.concat)) return object.concat.map(textOf).join(' . ');
  const prefix = asObject(object.prefix);
  return prefix ? `${prefix.addr}/${prefix.len}` : JSON.stringify(value);
}

function asObject(value: Json | undefined): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}
