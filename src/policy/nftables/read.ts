import { NftListing } from '../../kernel/nft-listing.ts';

/** What is in the kernel's table, in the words of {@link Content}. */
export interface TableState {
  readonly sets: ReadonlySet<string>;
  readonly elements: ReadonlyMap<string, string>;
  /** How many rules each chain has. */
  readonly chains: ReadonlyMap<string, number>;
}

/** Reads the objects of `nft -j list table`. */
export function readTable(objects: readonly unknown[]): TableState {
  const listing = new NftListing(objects);
  const elements = new Map<string, string>();
  for (const name of listing.containers) {
    for (const { key, value } of listing.elements(name)) elements.set(`${name} ${key}`, value);
  }
  return { sets: new Set(listing.containers), elements, chains: listing.rules };
}
