import { KnitError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Nft } from '../../kernel/nft.ts';
import type { Family, NodeFacts, PlanEntry, PortPlan } from '../plan.ts';
import { Changes, noteDifference } from './changes.ts';
import { Claims, type Owner } from './claims.ts';
import { dataOf, type Elements, eachOfPools, eachShared, elementsFrom, nodeElements } from './elements.ts';
import {
  Allocator,
  type NewChains,
  type Placements,
  type PoolName,
  type PoolPlacement,
  type PortPlacement,
} from './placement.ts';
import { readTable, type TableState } from './read.ts';
import { nftFamily, ruleset, shapeChain, slotChain, TABLE, tableComment, tableName } from './ruleset.ts';
import { NO_CHAINS, transactionText } from './transaction.ts';
import { MAX_ENDPOINTS, parseClassid, poolOfValue, poolValue, SHAPE_MASK } from './values.ts';

/** An entry and where it stands. */
class Placed implements Owner {
  readonly key: string;
  entry: PlanEntry;
  placements: Placements;

  constructor(entry: PlanEntry, placements: Placements) {
    this.key = entry.key;
    this.entry = entry;
    this.placements = placements;
  }

  get createdAt(): string {
    return this.entry.createdAt;
  }
}

const NODE: Owner = { key: '(node)', createdAt: '' };
const NOTHING: Elements = new Map();
const NOWHERE: Placements = [];
const POOLS: readonly PoolName[] = ['cluster', 'local'];
/** Entries between two looks at what else there is to do, in a first load. */
const BREATH = 25;
/**
 * Elements in the first transaction of a first load, and at most. Each has twice as many as the one before: the first is
 * soon on its way, nft has one to do while the next one is made, and there are few of them.
 */
const FIRST_BATCH = 2_000;
const LARGEST_BATCH = 16_000;
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
  async load(entries: Iterable<PlanEntry>): Promise<void> {
    const rules = await this.#nft.listRules(nftFamily(this.#family), TABLE);
    if (rules === undefined) return await this.#fill(entries);
    const kernel = rules.includes(tableComment) ? await this.#readIfWhole() : undefined;
    const changes = new Changes();
    this.#claims.replace(NODE, NOTHING, nodeElements(this.#node, this.#family), changes);
    if (!kernel) {
      for (const entry of entries) this.#putFirst(entry, NOWHERE, changes);
      return await this.#rebuild();
    }
    this.#adoptChains(kernel);
    // What is in the kernel is taken first: a new pool must not get the number of one that is there.
    const adopted = [...entries].map((entry) => ({ entry, previous: this.#adopt(entry, kernel) }));
    for (const { entry, previous } of adopted) this.#putFirst(entry, previous, changes);
    const difference = this.#difference(kernel);
    await this.#nft.apply(transactionText(this.#family, this.#allocator.takeNewChains(), difference));
    if (!(await this.#learnRules())) await this.#rebuild();
  }

  async update(changed: ReadonlyMap<string, PlanEntry | undefined>): Promise<void> {
    const changes = new Changes();
    for (const [key, entry] of changed) {
      const placed = this.#placed.get(key);
      // Its age decides what it gets: one of the same name is another one.
      const stays = entry && placed?.createdAt === entry.createdAt;
      if (placed && stays) this.#replace(placed, entry, changes);
      if (placed && !stays) this.#remove(placed, changes);
      if (entry && !stays) this.#putFirst(entry, NOWHERE, changes);
    }
    await this.#commit(changes);
  }

  async setNode(node: NodeFacts): Promise<void> {
    const changes = new Changes();
    const old = this.#node;
    this.#node = node;
    const before = nodeElements(old, this.#family);
    this.#claims.replace(NODE, before, nodeElements(node, this.#family), changes);
    for (const placed of this.#placed.values()) {
      this.#claims.replace(placed, this.#sharedOf(placed, old), this.#sharedOf(placed), changes);
    }
    await this.#commit(changes);
  }

  async audit(): Promise<string | undefined> {
    const rules = await this.#nft.listRules(nftFamily(this.#family), TABLE);
    if (rules === undefined || !this.#recognize(chainTexts(rules), this.#allocator.allChains())) {
      await this.#rebuild();
      return rules === undefined ? 'the table was gone' : 'chains or rules were changed';
    }
    const objects = await this.#nft.listJson(nftFamily(this.#family), TABLE);
    if (!objects) return await this.audit();
    const difference = this.#difference(readTable(objects));
    if (difference.size === 0) return undefined;
    await this.#nft.apply(transactionText(this.#family, NO_CHAINS, difference));
    return `${difference.size} elements were changed`;
  }

  /** Commits; where the kernel has drifted from what was written, brings it all back. */
  async #commit(changes: Changes): Promise<void> {
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
   * elements, in transactions that nft takes while the next one is made.
   */
  async #fill(entries: Iterable<PlanEntry>): Promise<void> {
    const commits: Promise<boolean>[] = [];
    const commit = (text: string) => commits.push(this.#nft.apply(text).then(yes, no));
    commit(ruleset(this.#family));
    const learned = this.#learnRules().catch(no);
    let changes = new Changes();
    let batch = FIRST_BATCH;
    let count = 0;
    this.#claims.replace(NODE, NOTHING, nodeElements(this.#node, this.#family), changes);
    for (const entry of entries) {
      this.#putFirst(entry, NOWHERE, changes);
      if (++count % BREATH === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      if (changes.size < batch) continue;
      commit(transactionText(this.#family, this.#allocator.takeNewChains(), changes));
      changes = new Changes();
      batch = Math.min(batch * 2, LARGEST_BATCH);
    }
    commit(transactionText(this.#family, this.#allocator.takeNewChains(), changes));
    const committed = await Promise.all(commits);
    // Somebody came between: all of it at once, and as often as it takes.
    if (!(await learned) || committed.includes(false)) await this.#rebuild();
  }

  /** What should be in the kernel. */
  #everything(): Elements {
    const pools = elementsFrom((tell) => {
      for (const { placements } of this.#placed.values()) eachOfPools(placements, tell);
    });
    return new Map([...this.#claims.elements(), ...pools]);
  }

  /** The whole table in one transaction. Connections keep their translations: these live in conntrack. */
  async #rebuild(): Promise<void> {
    this.#allocator.takeNewChains();
    const changes = new Changes();
    noteDifference(NOTHING, this.#everything(), changes);
    const text = ruleset(this.#family) + transactionText(this.#family, this.#allocator.allChains(), changes);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      await this.#nft.apply(text);
      if (await this.#learnRules()) return;
    }
    throw new KnitError(
      'RULES_CONTESTED',
      `somebody changes table ${tableName(this.#family)} as soon as it is written`,
    );
  }

  /** For an entry that was not there, or was in an earlier process' table. */
  #putFirst(entry: PlanEntry, previous: Placements, changes: Changes): void {
    const placements = this.#place(entry, (_, index) => previous[index]);
    const placed = new Placed(entry, placements);
    this.#placed.set(entry.key, placed);
    eachOfPools(placements, (map, key, value) => changes.note(map, key, undefined, value));
    eachShared(entry, placements, this.#family, this.#node, (map, key, value) =>
      this.#claims.claim(placed, map, key, value, changes),
    );
  }

  #replace(placed: Placed, entry: PlanEntry, changes: Changes): void {
    const { entry: old, placements: previous } = placed;
    const shared = this.#sharedOf(placed);
    placed.entry = entry;
    placed.placements = this.#place(entry, (port) => previous[old.ports.findIndex((each) => isSamePort(each, port))]);
    this.#free(previous, placed.placements);
    noteDifference(poolsOf(previous), poolsOf(placed.placements), changes);
    this.#claims.replace(placed, shared, this.#sharedOf(placed), changes);
  }

  #remove(placed: Placed, changes: Changes): void {
    this.#placed.delete(placed.key);
    this.#free(placed.placements, NOWHERE);
    noteDifference(poolsOf(placed.placements), NOTHING, changes);
    this.#claims.replace(placed, this.#sharedOf(placed), NOTHING, changes);
  }

  #free(placements: Placements, kept: Placements): void {
    const stay = new Set(kept.flatMap(poolNumbers));
    for (const pool of placements.flatMap(poolNumbers)) if (!stay.has(pool)) this.#allocator.free(pool);
  }

  /** `previousOf` says where a port's pools were. */
  #place(entry: PlanEntry, previousOf: (port: PortPlan, index: number) => PortPlacement | undefined): Placements {
    return entry.ports.map((port, index) => {
      if (port.family !== this.#family) return {};
      const previous = previousOf(port, index);
      const placement: { -readonly [Name in PoolName]?: PoolPlacement } = {};
      for (const name of POOLS) {
        const endpoints = port.pools[name];
        if (!endpoints || endpoints.length === 0) continue;
        placement[name] = this.#allocator.place(endpoints, port.affinitySeconds, previous?.[name]);
      }
      return placement;
    });
  }

  #sharedOf({ entry, placements }: Placed, node = this.#node): Elements {
    return elementsFrom((tell) => eachShared(entry, placements, this.#family, node, tell));
  }

  #adoptChains(kernel: TableState): void {
    for (const [chain, number] of kernel.shapes) this.#allocator.adoptShape(chain, number);
    let slots = 0;
    while (kernel.rules.has(slotChain(slots))) slots++;
    this.#allocator.adoptSlots(slots);
  }

  /** Finds an entry's pools in the kernel, so that planning it again leaves right elements alone. */
  #adopt(entry: PlanEntry, kernel: TableState): Placements {
    return entry.ports.map((port) => {
      const placement: { -readonly [Name in PoolName]?: PoolPlacement } = {};
      if (port.family !== this.#family) return placement;
      for (const front of port.frontEnds) {
        const tuple = `${port.protocol} . ${front.port}`;
        const [inside, outside] = front.address === undefined ? ['np', 'npext'] : ['vip', 'ext'];
        const key = front.address === undefined ? tuple : `${front.address} . ${tuple}`;
        for (const [map, name] of [
          [outside, front.fromOutside],
          [inside, front.fromCluster],
        ] as const) {
          if (name !== 'cluster' && name !== 'local') continue;
          const pool = poolOfValue(dataOf(kernel.elements.get(map)?.get(key)) ?? 'none');
          if (placement[name] || pool === 0 || !this.#allocator.adoptPool(pool)) continue;
          placement[name] = placementIn(kernel, pool);
        }
      }
      return placement;
    });
  }

  #difference(kernel: TableState): Changes {
    const changes = new Changes();
    noteDifference(kernel.elements, this.#everything(), changes);
    return changes;
  }

  async #readIfWhole(): Promise<TableState | undefined> {
    const objects = await this.#nft.listJson(nftFamily(this.#family), TABLE);
    const state = objects && readTable(objects);
    return state && [...EXPECTED_RULES].every(([chain, count]) => state.rules.get(chain) === count) ? state : undefined;
  }

  /** False where somebody changed the rules between the commit and this look: wrong ones must not be learned. */
  async #learnRules(): Promise<boolean> {
    this.#rules = new Map();
    const chains = this.#allocator.allChains();
    const rules = await this.#nft.listRules(nftFamily(this.#family), TABLE);
    return rules !== undefined && this.#recognize(chainTexts(rules), chains);
  }

  /** Chains that were added since the last look are learned; listing them at once would cost more than the change. */
  #recognize(found: ReadonlyMap<string, string>, { slots, shapes }: NewChains): boolean {
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
  ['leftover-forward', 4],
  ['leftover-output', 1],
  ['postrouting', 3],
]);

function placementIn({ elements }: TableState, pool: number): PoolPlacement {
  const endpoints: string[] = [];
  const serials: number[] = [];
  for (let slot = 0; slot < MAX_ENDPOINTS; slot++) {
    const at = poolValue(pool, slot);
    const picked = dataOf(elements.get('pick')?.get(at));
    const endpoint = dataOf(picked === undefined ? elements.get('slot')?.get(at) : elements.get('ep')?.get(picked));
    if (endpoint === undefined) break;
    endpoints.push(endpoint);
    if (picked !== undefined) serials.push(parseClassid(picked) & SHAPE_MASK);
  }
  return { pool, shape: 0, endpoints, ...(serials.length > 0 ? { serials } : {}) };
}

function poolsOf(placements: Placements): Elements {
  return elementsFrom((tell) => eachOfPools(placements, tell));
}

function poolNumbers({ cluster, local }: PortPlacement): number[] {
  return [cluster, local].flatMap((placement) => placement?.pool ?? []);
}

function isSamePort(a: PortPlan, b: PortPlan): boolean {
  return a.label === b.label && a.protocol === b.protocol && a.family === b.family;
}

const yes = () => true;
const no = () => false;

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
