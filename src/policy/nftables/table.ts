import { KnitError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Nft } from '../../kernel/nft.ts';
import type { Family, PlanChanges, PolicyPlan } from '../plan.ts';
import { Content, type Undo } from './content.ts';
import { readTable, type TableState } from './read.ts';
import { nftFamily, TABLE, tableComment, tableName } from './ruleset.ts';
import { tableText, transactionText } from './transaction.ts';

/** Of writing the whole table, where somebody else interferes. */
const MAX_TRIES = 3;

/** The table of one family: what should be in it, and how to get it there. */
export class PolicyTable {
  readonly #family: Family;
  readonly #nft: Nft;
  readonly #log: Log;
  readonly #content: Content;
  /** The text of each chain as nft listed it when it was right; a name never means another text. */
  readonly #texts = new Map<string, string>();

  constructor(family: Family, nft: Nft, log: Log) {
    this.#family = family;
    this.#nft = nft;
    this.#log = log;
    this.#content = new Content(family);
  }

  /** The first load: takes over what an earlier process left whole, or makes the table anew. */
  async load(plan: PolicyPlan): Promise<void> {
    this.#content.update(plan, everything(plan));
    const rules = await this.#nft.listRules(nftFamily(this.#family), TABLE);
    if (rules === undefined || !rules.includes(tableComment)) return await this.#rebuild();
    const state = await this.#read();
    if (!state || !this.#wholeChains(state)) return await this.#rebuild();
    await this.#nft.apply(transactionText(this.#family, this.#content, this.#from(state)));
    if (!(await this.#learn())) await this.#rebuild();
  }

  /** Returns whether something is no longer admitted that was before. */
  async update(plan: PolicyPlan, changes: PlanChanges): Promise<boolean> {
    const undo = this.#content.update(plan, changes);
    const text = transactionText(this.#family, this.#content, undo);
    try {
      await this.#nft.apply(text);
    } catch (error) {
      this.#log.warn('nftables refused a change of policies, writing them all', { error });
      await this.#rebuild();
    }
    return this.#tightens(undo);
  }

  /** Says what was wrong, after it was mended. */
  async audit(): Promise<string | undefined> {
    const rules = await this.#nft.listRules(nftFamily(this.#family), TABLE);
    if (rules === undefined || !this.#recognize(rules)) {
      await this.#rebuild();
      return rules === undefined ? 'the table was gone' : 'chains or rules were changed';
    }
    const state = await this.#read();
    if (!state) return await this.audit();
    const text = transactionText(this.#family, this.#content, this.#from(state));
    if (text === '') return undefined;
    try {
      await this.#nft.apply(text);
    } catch {
      await this.#rebuild(); // a set was deleted or made otherwise
    }
    return 'sets or elements were changed';
  }

  async #read(): Promise<TableState | undefined> {
    const objects = await this.#nft.listJson(nftFamily(this.#family), TABLE);
    return objects && readTable(objects);
  }

  /** The whole table in one transaction; connections stay, since these live in conntrack. */
  async #rebuild(): Promise<void> {
    const text = tableText(this.#family, this.#content);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      await this.#nft.apply(text);
      if (await this.#learn()) return;
    }
    throw new KnitError(
      'RULES_CONTESTED',
      `somebody changes table ${tableName(this.#family)} as soon as it is written`,
    );
  }

  async #learn(): Promise<boolean> {
    const rules = await this.#nft.listRules(nftFamily(this.#family), TABLE);
    return rules !== undefined && this.#recognize(rules);
  }

  /** Chains that were added since the last look are learned where they have as many rules as were written. */
  #recognize(listing: string): boolean {
    const found = chainTexts(listing);
    if (found.size !== this.#content.chains.size) return false;
    for (const [name, rules] of this.#content.chains) {
      const text = found.get(name);
      if (text === undefined || text !== (this.#texts.get(name) ?? text)) return false;
      if (ruleCount(text) !== written(rules)) return false;
    }
    this.#texts.clear();
    for (const [name, text] of found) this.#texts.set(name, text);
    return true;
  }

  #wholeChains(state: TableState): boolean {
    for (const [name, count] of state.chains) {
      const rules = this.#content.chains.get(name);
      if (rules && written(rules) !== count) return false;
    }
    return true;
  }

  /** What a transaction has to change, from the kernel's state. */
  #from(state: TableState): Undo {
    const chains = new Map<string, readonly string[] | undefined>();
    const sets = new Map<string, string | undefined>();
    const elements = new Map<string, string | undefined>();
    for (const name of state.chains.keys()) chains.set(name, []);
    for (const name of this.#content.chains.keys()) if (!chains.has(name)) chains.set(name, undefined);
    for (const name of state.sets) sets.set(name, '');
    for (const name of this.#content.sets.keys()) if (!sets.has(name)) sets.set(name, undefined);
    for (const [element, value] of state.elements) elements.set(element, value);
    for (const element of this.#content.elements.keys()) if (!elements.has(element)) elements.set(element, undefined);
    return { chains, sets, elements };
  }

  /** Only new peers and pods that nothing isolates cannot forbid anything. */
  #tightens(undo: Undo): boolean {
    for (const [element, before] of undo.elements) {
      const now = this.#content.elements.get(element);
      if (now === before) continue;
      if (before !== undefined || element.startsWith('ingress ') || element.startsWith('egress ')) return true;
    }
    return false;
  }
}

function everything(plan: PolicyPlan): PlanChanges {
  return {
    pods: new Set(plan.pods.keys()),
    policies: new Set(plan.policies.keys()),
    sets: new Map([...plan.sets].map(([key, set]) => [key, new Set(set.elements.keys())])),
  };
}

/** Rules without the line that makes a base chain. */
function written(rules: readonly string[]): number {
  return rules.filter((rule) => !rule.startsWith('type ')).length;
}

/** The chains of a table's listing by name. */
function chainTexts(listing: string): Map<string, string> {
  const [, ...chains] = listing.split(/^\tchain /m);
  return new Map(
    chains.map((text) => [text.slice(0, text.indexOf(' ')), text.slice(0, text.indexOf('\n\t}'))] as const),
  );
}

/** Lines of a chain's listing without its first one and its hook. */
function ruleCount(text: string): number {
  return text.split('\n').filter((line, index) => index > 0 && line.trim() !== '' && !line.includes(' hook ')).length;
}
