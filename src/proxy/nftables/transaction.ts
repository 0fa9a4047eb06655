import type { Family } from '../plan.ts';
import type { Change } from './claims.ts';
import { COMMENT_MARK } from './elements.ts';
import type { NewChains } from './placement.ts';
import { shapeCommands, slotCommands, tableName } from './ruleset.ts';

export const NO_CHAINS: NewChains = { slots: [], shapes: [] };

/** Elements in one command: nft parses a long list faster than many commands, but not one of a megabyte. */
const CHUNK = 5_000;

/**
 * The smallest transaction that makes `changes`: chains that are new, then what goes, then what comes. An element
 * whose value changes is deleted and added, since maps have no update.
 */
export function transactionText(
  family: Family,
  chains: NewChains,
  changes: Iterable<readonly [string, Change]>,
): string {
  const gone = new Map<string, string[]>();
  const come = new Map<string, string[]>();
  for (const [element, { before, after }] of changes) {
    if (before === after) continue;
    const space = element.indexOf(' ');
    const map = element.slice(0, space);
    const key = element.slice(space + 1);
    if (before !== undefined) push(gone, map, key);
    if (after !== undefined) push(come, map, elementText(key, after));
  }
  const lines: string[] = [];
  for (const slot of chains.slots) lines.push(...slotCommands(family, slot));
  for (const { shape, number } of chains.shapes) lines.push(...shapeCommands(family, shape, number));
  for (const [map, keys] of gone) lines.push(...commands('delete', family, map, keys));
  for (const [map, texts] of come) lines.push(...commands('add', family, map, texts));
  return lines.join('\n');
}

function elementText(key: string, value: string): string {
  if (value === '') return key;
  const [data = '', comment] = value.split(COMMENT_MARK);
  return comment === undefined ? `${key} : ${data}` : `${key} comment "${comment}" : ${data}`;
}

function commands(verb: 'add' | 'delete', family: Family, map: string, elements: readonly string[]): string[] {
  const lines: string[] = [];
  for (let from = 0; from < elements.length; from += CHUNK) {
    const part = elements.slice(from, from + CHUNK).join(', ');
    lines.push(`${verb} element ${tableName(family)} ${map} { ${part} }`);
  }
  return lines;
}

function push(lists: Map<string, string[]>, name: string, text: string): void {
  const list = lists.get(name);
  if (list) list.push(text);
  else lists.set(name, [text]);
}
