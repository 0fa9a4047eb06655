import type { IPFamily } from '../../base/cidr.ts';
import { familyOf, widthOf } from '../../base/cidr.ts';
import { deleteMarkedFlows } from '../../kernel/conntrack.ts';
import { ipBatch, routesOf, rulesOf } from '../../kernel/ip.ts';
import type { Nft } from '../../kernel/nft.ts';
import type { AddressPool } from './addresses.ts';
import type { LoadBalancerPlan } from './plan.ts';
import { changes, type Elements, elementsOf, type Groups, MARK_MASK, ruleset, TABLE, tableOf } from './ruleset.ts';

/** Marks our rules and their routes: the number that the kernel keeps as their protocol. */
const protocol = 76;
/** Tables of nodes are this number and a node's mark. */
const firstTable = 1000;

/** Writes plans into the kernel of the fabric's namespace, where it must run; one for each pool's family. */
export class LoadBalancerKernel {
  readonly #nft: Nft;
  readonly #pool: AddressPool;
  readonly #family: IPFamily;
  readonly #groups: Groups = new Map();
  /** Undefined: what the kernel holds is not known. */
  #elements: Elements | undefined;
  /** The table as the kernel lists it, without elements. */
  #rules: string | undefined;
  #ways: string | undefined;

  constructor(nft: Nft, pool: AddressPool) {
    this.#nft = nft;
    this.#pool = pool;
    this.#family = familyOf(pool.cidr);
  }

  /** Somebody else wrote nftables: where that touched the table, the next plan is written as a whole. */
  async check(): Promise<void> {
    if ((await this.#listRules()) !== this.#rules) this.#elements = undefined;
  }

  async apply(plan: LoadBalancerPlan): Promise<void> {
    const elements = elementsOf(plan, this.#family, this.#groups);
    await this.#applyRoutes(elements.size > 0 ? plan.nodes : []);
    await this.#applyRules(elements);
  }

  /** Lets the connections of a node that is dead or gone begin anew, with nodes that live. */
  async moveFlows(mark: number): Promise<void> {
    await deleteMarkedFlows(mark, MARK_MASK, this.#family);
  }

  async #applyRules(after: Elements): Promise<void> {
    const before = this.#elements;
    const table = tableOf(this.#family);
    this.#elements = undefined;
    if (after.size === 0) {
      if (before?.size !== 0) await this.#nft.apply(`add table ${table}\ndelete table ${table}\n`);
      this.#rules = undefined;
    } else if (before === undefined || before.size === 0) {
      await this.#nft.apply(ruleset(this.#family) + changes(this.#family, new Map(), after));
      this.#rules = await this.#listRules();
    } else {
      await this.#nft.apply(changes(this.#family, before, after));
    }
    this.#elements = after;
  }

  async #listRules(): Promise<string | undefined> {
    return await this.#nft.listRules(this.#family === 'ipv4' ? 'ip' : 'ip6', TABLE);
  }

  async #applyRoutes(nodes: LoadBalancerPlan['nodes']): Promise<void> {
    const ways = nodes.flatMap(({ addresses, mark }) => {
      const address = addresses[this.#family];
      return address ? [{ address, mark, table: firstTable + mark }] : [];
    });
    const wanted = ways.map(({ address, mark }) => `${address} ${mark}`).join();
    if (wanted === this.#ways) return;
    this.#ways = undefined;
    const routes = ways.map(({ address, table }) => `default via ${address} table ${table}`);
    const rules = ways.map(({ mark, table }) => `pref 1000 fwmark 0x${mark.toString(16)}/0xffff lookup ${table}`);
    // What this namespace itself sends has no mark when its way is first looked up: any way will do until it has one.
    if (ways[0]) {
      rules.push(`pref 1001 iif lo to ${this.#pool.cidr} lookup ${ways[0].table}`);
      rules.push(...this.#pool.reserved.map((ip) => `pref 1000 iif lo to ${ip}/${widthOf(this.#family)} lookup main`));
    }
    const present = (await routesOf(protocol))
      .filter(({ gateway }) => familyOf(gateway) === this.#family)
      .map(({ destination, gateway, table }) => `${destination} via ${gateway} table ${table}`);
    await ipBatch(difference('route', present, routes), undefined, this.#family);
    await ipBatch(difference('rule', await rulesOf(protocol, this.#family), rules), undefined, this.#family);
    this.#ways = wanted;
  }
}

/** Commands of `ip` that make `present` what is `wanted`. */
function difference(object: 'route' | 'rule', present: readonly string[], wanted: readonly string[]): string[] {
  return [
    ...present.filter((each) => !wanted.includes(each)).map((each) => `${object} del ${each} proto ${protocol}`),
    ...wanted.filter((each) => !present.includes(each)).map((each) => `${object} add ${each} proto ${protocol}`),
  ];
}
