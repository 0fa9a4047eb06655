import { COMMENT_MARK } from './elements.ts';
import { parseClassid } from './values.ts';

/** What is in the kernel's table, in the texts that {@link Elements} uses. */
export interface TableState {
  readonly elements: ReadonlyMap<string, string>;
  /** Numbers of shapes by their chain. */
  readonly shapes: ReadonlyMap<string, number>;
  /** How many rules each chain has. */
  readonly rules: ReadonlyMap<string, number>;
}

/** Maps whose elements packets write, or that are kept apart. */
const NOT_PLANNED = new Set(['aff', 'shape']);

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/** Reads the objects of `nft -j list table`. */
export function readTable(objects: readonly unknown[]): TableState {
  const elements = new Map<string, string>();
  const shapes = new Map<string, number>();
  const rules = new Map<string, number>();
  for (const object of objects as readonly JsonObject[]) {
    const container = asObject(object.set ?? object.map);
    const chain = asObject(object.chain);
    const rule = asObject(object.rule);
    if (chain) rules.set(String(chain.name), rules.get(String(chain.name)) ?? 0);
    if (rule) rules.set(String(rule.chain), (rules.get(String(rule.chain)) ?? 0) + 1);
    if (!container || !Array.isArray(container.elem)) continue;
    const name = String(container.name);
    if (name === 'shape') readShapes(container.elem, shapes);
    else if (!NOT_PLANNED.has(name)) readElements(name, object.map !== undefined, container.elem, elements);
  }
  return { elements, shapes, rules };
}

function readElements(name: string, isMap: boolean, list: readonly Json[], into: Map<string, string>): void {
  for (const item of list) {
    const [key, value] = isMap && Array.isArray(item) ? (item as readonly Json[]) : [item, null];
    const element = asObject(asObject(key)?.elem);
    const comment = element?.comment === undefined ? '' : COMMENT_MARK + String(element.comment);
    const data = value === null || value === undefined ? '' : textOf(value);
    into.set(`${name} ${textOf(element ? (element.val ?? null) : (key ?? null))}`, data + comment);
  }
}

function readShapes(list: readonly Json[], into: Map<string, number>): void {
  for (const item of list) {
    const [number, verdict] = item as readonly Json[];
    const target = asObject(asObject(verdict)?.goto)?.target;
    if (target !== undefined && target !== 'refuse') into.set(String(target), parseClassid(String(number)));
  }
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
