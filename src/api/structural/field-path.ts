import { type JsonSchema, propertyOf, valuesOf } from './json-schema.ts';

/** The field that a path leads to, by its names; or why it leads to none. */
export type FoundField =
  | { readonly names: readonly string[]; readonly schema: JsonSchema | undefined }
  | { readonly error: string };

const END = 'unexpected end of JSON path';

/** Follows `.spec['a.b'].c` through a schema (apiextensions' ValidFieldPath). */
export function fieldAt(path: string, schema: JsonSchema, allowsBrackets = true): FoundField {
  const tokens = path.match(/[.[\]]|'(?:\\.|[^\\'])*'|[^.[\]]+/gs) ?? [];
  const names: string[] = [];
  let found: JsonSchema | undefined = schema;
  while (tokens.length > 0) {
    const name = nextName(tokens, allowsBrackets);
    if (typeof name === 'object') return name;
    const isStruct: boolean = Object.keys(found?.properties ?? {}).length > 0;
    const known: boolean = isStruct ? propertyOf(found, name) !== undefined : found?.additionalProperties !== undefined;
    if (!known) return { error: 'does not refer to a valid field' };
    found = isStruct ? propertyOf(found, name) : valuesOf(found);
    names.push(name);
  }
  return { names, schema: found };
}

/** Takes one name, and what stands around it, from the tokens. */
function nextName(tokens: string[], allowsBrackets: boolean): string | { readonly error: string } {
  const start = tokens.shift();
  if (start !== '.' && start !== '[') return { error: `expected [ or . but got: ${start}` };
  if (start === '[' && !allowsBrackets) return { error: 'array notation is not allowed' };
  const name = tokens.shift();
  if (name === undefined) return { error: END };
  if (start === '.') return name;
  if (!/^'.*'$/s.test(name)) return { error: `expected single quoted string but got ${name}` };
  const end = tokens.shift();
  if (end !== ']') return { error: end === undefined ? END : `expected ] but got ${end}` };
  return name.slice(1, -1).replace(/\\(.)/gs, '$1');
}
