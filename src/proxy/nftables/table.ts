import { KnitError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Nft } from '../../kernel/nft.ts';
import type { Family, NodeFacts, PlanEntry, ServicePlan } from '../plan.ts';
import { type Change, Claims, type Owner } from './claims.ts';
import { type Elements, eachElement, entryElements, nodeElements } from './elements.ts';
import { Allocator, type Placements, type PoolPlacement, placementKey } from './placement.ts';
import { readTable, type TableState } from './read.ts';
import { nftFamily, ruleset, shapeChain, slotChain, TABLE, tableComment, tableName } from './ruleset.ts';
import { NO_CHAINS, transactionText } from './transaction.ts';
import { MAX_ENDPOINTS, parseClassid, poolOfValue, poolValue, SHAPE_MASK } from './values.ts';

interface Placed {
  readonly entry: PlanEntry;
  readonly placements: Placements;
}

const NODE: Owner = { key: '(node)', precedence: '' };
const NOTHING: Elements = new Map();
/** Entries between two looks at what else there is to do, and in one transaction, of a first load. */
const BREATH = 100;
const BATCH = 1_000;
/** Of writing the whole table, where somebody else interferes. */
const MAX_TRIES = 3;

/** The table of one family: what should be in it, and how to get it there. */
export class ServiceTable {
  readonly #family: Family;
  readonly #nft: Nft;
  readonly #log: Log;
  #node: NodeFacts;
  #claims = new Claims();
  #allocator = new Allocator();
  readonly #placed = new Map<string, Placed>();
  /** The text of each chain, and of all else but elements, as nft listed it when it was right. */
  #rules: ReadonlyMap<string, string> = new Map();

  constructor(family: Family, nft: Nft, log: Log, node: NodeFacts) {
    this.#family = family;
    this.#nft = nft;
    this.#log = log;
    this.#node = node;
  }

  /** The first load: takes over what an earlier process left whole, or makes the table anew. */
  async load(plan: ServicePlan): Promise<void> {
    const rules = await this.#nft.listRules(nftFamily(this.#family), TABLE);
    const kernel = rules?.includes(tableComment) ? await this.#readIfWhole() : undefined;
    if (kernel) this.#adoptChains(kernel);
    const entries = inOrder(plan);
    if (rules === undefined) return await this.#fill(entries);
    const previous = new Map(kernel ? entries.map((entry) => [entry.key, this.#adopt(entry, kernel)]) : []);
    const changes = new Map<string, Change>();
    this.#claims.replace(NODE, NOTHING, nodeElements(this.#node, this.#family), changes);
    for (const entry of entries) this.#put(entry.key, entry, previous.get(entry.key) ?? new Map(), changes);
    if (!kernel) return await this.#rebuild();
    const chains = this.#allocator.takeNewChains();
    await this.#nft.apply(transactionText(this.#family, chains, this.#difference(kernel)));
    if (!(await this.#learnRules())) await this.#rebuild();
  }

  async update(changed: ReadonlyMap<string, PlanEntry | undefined>): Promise<void> {
    const changes = new Map<string, Change>();
    for (const [key, entry] of changed) {
      this.#put(key, entry, this.#placed.get(key)?.placements ?? new Map(), changes);
    }
    await this.#commit(changes);
  }

  async setNode(node: NodeFacts): Promise<void> {
    const changes = new Map<string, Change>();
    const before = nodeElements(this.#node, this.#family);
    const old = this.#node;
    this.#node = node;
    this.#claims.replace(NODE, before, nodeElements(node, this.#family), changes);
    for (const [key, { entry, placements }] of this.#placed) {
      const was = entryElements(entry, placements, this.#family, old);
      this.#claims.replace(ownerOf(key, entry), was, this.#elementsOf(entry, placements), changes);
    }
    await this.#commit(changes);
  }

  async audit(): Promise<string | undefined> {
    const rules = await this.#nft.listRules(nftFamily(this.#family), TABLE);
    if (rules === undefined || !this.#recognize(chainTexts(rules))) {
      await this.#rebuild();
      return rules === undefined ? 'the table was gone' : 'chains or rules were changed';
    }
    const objects = await this.#nft.listJson(nftFamily(this.#family), TABLE);
    if (!objects) return await this.audit();
    const difference = [...this.#difference(readTable(objects))];
    if (difference.length === 0) return undefined;
    await this.#nft.apply(transactionText(this.#family, NO_CHAINS, difference));
    return `${difference.length} elements were changed`;
  }

  /** Commits; where the kernel has drifted from what was written, brings it all back. */
  async #commit(changes: ReadonlyMap<string, Change>): Promise<void> {
    const chains = this.#allocator.takeNewChains();
    try {
      await this.#nft.apply(transactionText(this.#family, chains, changes));
    } catch (error) {
      this.#log.warn('nftables refused a change, comparing everything', { error });
      if (chains.shapes.length > 0) await this.#rebuild();
      else await this.audit();
    }
  }

  /**
   * Where there was no table: rules first, since listing them is cheap only while there are no elements; then the
   * elements, the oldest entries first, in transactions that nft takes while the next one is made.
   */
  async #fill(entries: readonly PlanEntry[]): Promise<void> {
    await this.#nft.apply(ruleset(this.#family));
    const learned = await this.#learnRules();
    let changes = new Map<string, Change>();
    this.#claims.replace(NODE, NOTHING, nodeElements(this.#node, this.#family), changes);
    const commits: Promise<void>[] = [];
    for (const [index, entry] of entries.entries()) {
      this.#putFirst(entry, changes);
      if ((index + 1) % BREATH === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      if ((index + 1) % BATCH > 0 && index + 1 < entries.length) continue;
      commits.push(this.#nft.apply(transactionText(this.#family, this.#allocator.takeNewChains(), changes)));
      changes = new Map();
    }
    if (changes.size > 0) commits.push(this.#nft.apply(transactionText(this.#family, NO_CHAINS, changes)));
    const results = await Promise.allSettled(commits);
    // Somebody came between: all of it at once, and as often as it takes.
    if (!learned || results.some(({ status }) => status === 'rejected')) await this.#rebuild();
  }

  *#everything(): Iterable<readonly [string, Change]> {
    for (const [key, after] of this.#claims.elements()) yield [key, { before: undefined, after }];
  }

  /** The whole table in one transaction. Connections keep their translations: these live in conntrack. */
  async #rebuild(): Promise<void> {
    this.#allocator.takeNewChains();
    const text = ruleset(this.#family) + transactionText(this.#family, this.#allocator.allChains(), this.#everything());
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      await this.#nft.apply(text);
      if (await this.#learnRules()) return;
    }
    throw new KnitError(
      'RULES_CONTESTED',
      `somebody changes table ${tableName(this.#family)} as soon as it is written`,
    );
  }

  #put(key: string, entry: PlanEntry | undefined, previous: Placements, changes: Map<string, Change>): void {
    const old = this.#placed.get(key);
    const before = old ? this.#elementsOf(old.entry, old.placements) : NOTHING;
    const placements = this.#place(entry, previous);
    for (const [at, placement] of previous) if (!placements.has(at)) this.#allocator.free(placement);
    const after = entry ? this.#elementsOf(entry, placements) : NOTHING;
    this.#claims.replace(ownerOf(key, entry ?? old?.entry), before, after, changes);
    if (entry) this.#placed.set(key, { entry, placements });
    else this.#placed.delete(key);
  }

  /** The same for an entry that was not there. */
  #putFirst(entry: PlanEntry, changes: Map<string, Change>): void {
    const placements = this.#place(entry, new Map());
    const owner = ownerOf(entry.key, entry);
    eachElement(entry, placements, this.#family, this.#node, (key, value) =>
      this.#claims.claim(owner, key, value, changes),
    );
    this.#placed.set(entry.key, { entry, placements });
  }

  #place(entry: PlanEntry | undefined, previous: Placements): Map<string, PoolPlacement> {
    const placements = new Map<string, PoolPlacement>();
    for (const port of entry?.ports ?? []) {
      if (port.family !== this.#family) continue;
      for (const name of ['cluster', 'local'] as const) {
        const endpoints = port.pools[name];
        if (!endpoints || endpoints.length === 0) continue;
        const at = placementKey(port, name);
        placements.set(at, this.#allocator.place(endpoints, port.affinitySeconds, previous.get(at)));
      }
    }
    return placements;
  }

  #elementsOf(entry: PlanEntry, placements: Placements): Elements {
    return entryElements(entry, placements, this.#family, this.#node);
  }

  #adoptChains(kernel: TableState): void {
    for (const [chain, number] of kernel.shapes) this.#allocator.adoptShape(chain, number);
    let slots = 0;
    while (kernel.rules.has(slotChain(slots))) slots++;
    this.#allocator.adoptSlots(slots);
  }

  /** Finds an entry's pools in the kernel, so that planning it again leaves right elements alone. */
  #adopt(entry: PlanEntry, kernel: TableState): Placements {
    const placements = new Map<string, PoolPlacement>();
    for (const port of entry.ports) {
      if (port.family !== this.#family) continue;
      for (const front of port.frontEnds) {
        const tuple = `${port.protocol} . ${front.port}`;
        const inside = front.address === undefined ? `np ${tuple}` : `vip ${front.address} . ${tuple}`;
        const outside = front.address === undefined ? `npext ${tuple}` : `ext ${front.address} . ${tuple}`;
        for (const [element, name] of [
          [outside, front.fromOutside],
          [inside, front.fromCluster],
        ] as const) {
          if (name !== 'cluster' && name !== 'local') continue;
          const at = placementKey(port, name);
          const pool = poolOfValue(kernel.elements.get(element) ?? 'none');
          if (placements.has(at) || pool === 0 || !this.#allocator.adoptPool(pool)) continue;
          placements.set(at, placementIn(kernel, pool));
        }
      }
    }
    return placements;
  }

  *#difference(kernel: TableState): Iterable<readonly [string, Change]> {
    for (const [key, before] of kernel.elements) {
      const after = this.#claims.get(key);
      if (after !== before) yield [key, { before, after }];
    }
    for (const [key, after] of this.#claims.elements()) {
      if (!kernel.elements.has(key)) yield [key, { before: undefined, after }];
    }
  }

  async #readIfWhole(): Promise<TableState | undefined> {
    const objects = await this.#nft.listJson(nftFamily(this.#family), TABLE);
    const state = objects && readTable(objects);
    return state && [...EXPECTED_RULES].every(([chain, count]) => state.rules.get(chain) === count) ? state : undefined;
  }

  /** False where somebody changed the rules between the commit and this look: wrong ones must not be learned. */
  async #learnRules(): Promise<boolean> {
    this.#rules = new Map();
    const rules = await this.#nft.listRules(nftFamily(this.#family), TABLE);
    return rules !== undefined && this.#recognize(chainTexts(rules));
  }

  /** Chains that were added since the last look are learned; listing them at once would cost more than the change. */
  #recognize(found: ReadonlyMap<string, string>): boolean {
    const { slots, shapes } = this.#allocator.allChains();
    const expected = new Map([
      ...EXPECTED_RULES,
      ...slots.map((slot) => [slotChain(slot), 1] as const),
      ...shapes.map(({ shape }) => [shapeChain(shape), shape.affinitySeconds === undefined ? 2 : 8] as const),
    ]);
    for (const [name, text] of this.#rules) if (found.get(name) !== text) return false;
    for (const [name, count] of expected) if (ruleCount(found.get(name)) !== count) return false;
    if (found.size !== expected.size + 1) return false; // and what stands before the chains
    this.#rules = found;
    return true;
  }
}

/** Rules a chain of {@link ruleset}: a table that an earlier process left is taken over only where they are all there. */
const EXPECTED_RULES: ReadonlyMap<string, number> = new Map([
  ['refuse', 2],
  ['endpoint', 2],
  ['sticky', 1],
  ['pool', 2],
  ['services', 5],
  ['prerouting', 1],
  ['output', 1],
  ['leftover', 2],
  ['leftover-forward', 3],
  ['leftover-output', 1],
  ['postrouting', 3],
]);

function placementIn(kernel: TableState, pool: number): PoolPlacement {
  const endpoints: string[] = [];
  const serials: number[] = [];
  for (let slot = 0; slot < MAX_ENDPOINTS; slot++) {
    const at = poolValue(pool, slot);
    const picked = kernel.elements.get(`pick ${at}`);
    const endpoint = kernel.elements.get(picked === undefined ? `slot ${at}` : `ep ${picked}`);
    if (endpoint === undefined) break;
    endpoints.push(endpoint);
    if (picked !== undefined) serials.push(parseClassid(picked) & SHAPE_MASK);
  }
  return { pool, shape: 0, endpoints, ...(serials.length > 0 ? { serials } : {}) };
}

/** Splits the listing of a table at its chains; what stands before the first is under `''`. */
function chainTexts(rules: string): Map<string, string> {
  const [head = '', ...chains] = rules.split(/^\tchain /m);
  const texts = chains.map((text) => [text.slice(0, text.indexOf(' ')), text.slice(0, text.indexOf('\n\t}'))] as const);
  return new Map([['', head.trim()], ...texts]);
}

/** Lines of a chain's listing without its first one and its hook. */
function ruleCount(text: string | undefined): number | undefined {
  return text?.split('\n').filter((line, index) => index > 0 && line.trim() !== '' && !line.includes(' hook ')).length;
}

function ownerOf(key: string, entry: PlanEntry | undefined): Owner {
  return { key, precedence: `${entry?.createdAt} ${entry?.key}` };
}

/** The oldest first. */
function inOrder(plan: ServicePlan): PlanEntry[] {
  const owned = [...plan.values()].map((entry) => ({ entry, precedence: ownerOf(entry.key, entry).precedence }));
  return owned.sort((a, b) => (a.precedence < b.precedence ? -1 : 1)).map(({ entry }) => entry);
}
