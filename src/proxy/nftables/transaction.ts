import type { Family } from '../plan.ts';
import type { Changes } from './changes.ts';
import type { NewChains } from './placement.ts';
import { shapeCommands, slotCommands, tableName } from './ruleset.ts';

export const NO_CHAINS: NewChains = { slots: [], shapes: [] };

/** Elements in one command: nft parses a long list faster than many commands, but not one of a megabyte. */
const CHUNK = 5_000;

/**
 * The smallest transaction that makes `changes`: chains that are new, then what goes, then what comes. An element
 * whose value changes is deleted and added, since maps have no update.
 */
export function transactionText(family: Family, chains: NewChains, changes: Changes): string {
  const lines: string[] = [];
  for (const slot of chains.slots) lines.push(...slotCommands(family, slot));
  for (const { shape, number } of chains.shapes) lines.push(...shapeCommands(family, shape, number));
  for (const [map, elements] of changes.gone)
    addCommands(lines, `delete element ${tableName(family)} ${map}`, elements.keys());
  for (const [map, elements] of changes.come) {
    addCommands(lines, `add element ${tableName(family)} ${map}`, elements.entries().map(elementText));
  }
  return lines.join('\n');
}

function elementText([key, value]: readonly [string, string]): string {
  return key + value;
}

function addCommands(lines: string[], command: string, elements: Iterable<string>): void {
  let part: string[] = [];
  const end = () => lines.push(`${command} { ${part.join(', ')} }`);
  for (const element of elements) {
    if (part.push(element) < CHUNK) continue;
    end();
    part = [];
  }
  if (part.length > 0) end();
}
