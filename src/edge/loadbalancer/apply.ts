import { deleteMarkedFlows } from '../../kernel/conntrack.ts';
import { ipBatch, routesOf, rulesOf } from '../../kernel/ip.ts';
import type { Nft } from '../../kernel/nft.ts';
import type { BalancedNode, LoadBalancerPlan } from './plan.ts';
import { changes, type Elements, elementsOf, type Groups, MARK_MASK, ruleset, TABLE } from './ruleset.ts';

/** Marks our rules and their routes: the number that the kernel keeps as their protocol. */
const protocol = 76;
/** Tables of nodes are this number and a node's mark. */
const firstTable = 1000;

/** Writes plans into the kernel of the fabric's namespace, where it must run. */
export class LoadBalancerKernel {
  readonly #nft: Nft;
  /** `203.0.113.0/27` */
  readonly #pool: string;
  readonly #groups: Groups = new Map();
  /** Undefined: what the kernel holds is not known. */
  #elements: Elements | undefined;
  #nodes: string | undefined;

  constructor(nft: Nft, pool: string) {
    this.#nft = nft;
    this.#pool = pool;
  }

  /** Somebody else wrote nftables or routes: the next plan is written as a whole. */
  doubt(): void {
    this.#elements = undefined;
    this.#nodes = undefined;
  }

  async apply(plan: LoadBalancerPlan): Promise<void> {
    await this.#applyRoutes(plan.addresses.length > 0 ? plan.nodes : []);
    await this.#applyRules(plan);
  }

  /** Lets the connections of a node that is dead or gone begin anew, with nodes that live. */
  async moveFlows(mark: number): Promise<void> {
    await deleteMarkedFlows(mark, MARK_MASK);
  }

  async #applyRules(plan: LoadBalancerPlan): Promise<void> {
    const before = this.#elements;
    const after = elementsOf(plan, this.#groups);
    this.#elements = undefined;
    if (after.size === 0) {
      if (before?.size !== 0) await this.#nft.apply(`add table ${TABLE}\ndelete table ${TABLE}\n`);
    } else if (before === undefined || before.size === 0) {
      await this.#nft.apply(ruleset + changes(new Map(), after));
    } else {
      await this.#nft.apply(changes(before, after));
    }
    this.#elements = after;
  }

  async #applyRoutes(nodes: readonly BalancedNode[]): Promise<void> {
    const wanted = nodes.map(({ address, mark }) => `${address} ${mark}`).join(',');
    if (wanted === this.#nodes) return;
    this.#nodes = undefined;
    const routes = nodes.map(({ address, mark }) => `default via ${address} table ${firstTable + mark}`);
    const rules = nodes.map(({ mark }) => `pref 1000 fwmark 0x${mark.toString(16)}/0xffff lookup ${firstTable + mark}`);
    // What this namespace itself sends has no mark when its way is first looked up: any way will do until it has one.
    if (nodes[0]) rules.push(`pref 1001 iif lo to ${this.#pool} lookup ${firstTable + nodes[0].mark}`);
    const present = (await routesOf(protocol)).map(
      ({ destination, gateway, table }) => `${destination} via ${gateway} table ${table}`,
    );
    await ipBatch([...difference('route', present, routes), ...difference('rule', await rulesOf(protocol), rules)]);
    this.#nodes = wanted;
  }
}

/** Commands of `ip` that make `present` what is `wanted`. */
function difference(object: 'route' | 'rule', present: readonly string[], wanted: readonly string[]): string[] {
  return [
    ...present.filter((each) => !wanted.includes(each)).map((each) => `${object} del ${each} proto ${protocol}`),
    ...wanted.filter((each) => !present.includes(each)).map((each) => `${object} add ${each} proto ${protocol}`),
  ];
}
