import { NftListing } from '../../kernel/nft-listing.ts';
import { type Elements, valueText } from './elements.ts';
import { parseClassid } from './values.ts';

/** What is in the kernel's table, in the texts that {@link Elements} uses. */
export interface TableState {
  readonly elements: Elements;
  /** Numbers of shapes by their chain. */
  readonly shapes: ReadonlyMap<string, number>;
  /** How many rules each chain has. */
  readonly rules: ReadonlyMap<string, number>;
}

/** Maps whose elements packets write, or that are kept apart. */
const NOT_PLANNED = new Set(['aff', 'shape']);

/** Reads the objects of `nft -j list table`. */
export function readTable(objects: readonly unknown[]): TableState {
  const listing = new NftListing(objects);
  const elements: Elements = new Map();
  for (const name of listing.containers) {
    if (NOT_PLANNED.has(name)) continue;
    const found = new Map<string, string>();
    for (const { key, value, comment } of listing.elements(name)) {
      found.set(key, value === '' ? '' : valueText(value, comment));
    }
    elements.set(name, found);
  }
  const shapes = new Map<string, number>();
  for (const { key, value } of listing.elements('shape')) {
    const [, chain] = /^goto (.*)$/.exec(value) ?? [];
    if (chain !== undefined && chain !== 'refuse') shapes.set(chain, parseClassid(key));
  }
  return { elements, shapes, rules: listing.rules };
}
