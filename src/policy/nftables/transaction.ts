import type { Family } from '../plan.ts';
import type { Content, Undo } from './content.ts';
import { isMap, tableComment, tableName } from './ruleset.ts';

/** Elements in one command: nft parses a long list faster than many commands, but not one of a megabyte. */
const CHUNK = 5_000;

/** What {@link transactionText} brings the kernel to: the present of these, from their past. */
type Wanted = Pick<Content, 'chains' | 'sets' | 'elements'>;

/**
 * The smallest transaction from `undo` to `wanted`: first what is new, then where pods lead, then what nobody needs
 * any more, so that each command finds what it names.
 */
export function transactionText(family: Family, wanted: Wanted, undo: Undo): string {
  const table = tableName(family);
  const newSets: string[] = [];
  const newChains: string[] = [];
  const goneSets: string[] = [];
  const goneChains: string[] = [];
  for (const [name, before] of undo.sets) sortOut(name, before, wanted.sets.get(name), newSets, goneSets);
  for (const [name, before] of undo.chains) sortOut(name, before, wanted.chains.get(name), newChains, goneChains);
  const dropped = new Set(goneSets);
  return [
    ...newSets.map((name) => `add ${isMap(name) ? 'map' : 'set'} ${table} ${name} { ${wanted.sets.get(name)} }`),
    ...newChains.map((name) => `add chain ${table} ${name}`),
    ...newChains.flatMap((name) => (wanted.chains.get(name) ?? []).map((rule) => `add rule ${table} ${name} ${rule}`)),
    ...elementCommands(table, wanted.elements, undo.elements, dropped),
    ...goneChains.map((name) => `flush chain ${table} ${name}`),
    ...goneChains.map((name) => `delete chain ${table} ${name}`),
    ...goneSets.map((name) => `delete set ${table} ${name}`),
  ].join('\n');
}

function sortOut(name: string, before: unknown, after: unknown, come: string[], gone: string[]): void {
  if (before === undefined && after !== undefined) come.push(name);
  if (before !== undefined && after === undefined) gone.push(name);
}

function elementCommands(
  table: string,
  wanted: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, string | undefined>,
  dropped: ReadonlySet<string>,
): string[] {
  const gone = new Map<string, string[]>();
  const come = new Map<string, string[]>();
  for (const [element, old] of before) {
    const now = wanted.get(element);
    if (now === old) continue;
    const space = element.indexOf(' ');
    const set = element.slice(0, space);
    const key = element.slice(space + 1);
    if (old !== undefined && !dropped.has(set)) push(gone, set, key);
    if (now !== undefined) push(come, set, now === '' ? key : `${key} : ${now}`);
  }
  return [...commands('delete', table, gone), ...commands('add', table, come)];
}

function* commands(verb: 'add' | 'delete', table: string, lists: ReadonlyMap<string, readonly string[]>) {
  for (const [set, elements] of lists) {
    for (let from = 0; from < elements.length; from += CHUNK) {
      yield `${verb} element ${table} ${set} { ${elements.slice(from, from + CHUNK).join(', ')} }`;
    }
  }
}

function push(lists: Map<string, string[]>, name: string, text: string): void {
  const list = lists.get(name);
  if (list) list.push(text);
  else lists.set(name, [text]);
}

/** The whole table, in place of the one that is there. */
export function tableText(family: Family, wanted: Wanted): string {
  const table = tableName(family);
  const block = (kind: string, name: string, lines: readonly string[]) =>
    ` ${kind} ${name} {\n${lines.map((line) => `  ${line}\n`).join('')} }\n`;
  const sets = [...wanted.sets].map(([name, declaration]) => block(isMap(name) ? 'map' : 'set', name, [declaration]));
  // A chain must be known before another one leads there.
  const names = [...wanted.chains].map(([name, rules]) =>
    rules[0]?.startsWith('type ') ? '' : block('chain', name, []),
  );
  const chains = [...wanted.chains].map(([name, rules]) => block('chain', name, rules));
  const elements = elementCommands(
    table,
    wanted.elements,
    new Map([...wanted.elements.keys()].map((e) => [e, undefined])),
    new Set(),
  );
  return `add table ${table}
delete table ${table}
table ${table} {
 comment "${tableComment}"
${sets.join('')}${names.join('')}${chains.join('')}}
${elements.join('\n')}
`;
}
