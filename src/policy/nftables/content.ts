import { familyOf } from '../../base/cidr.ts';
import { withoutContained } from '../../base/prefixes.ts';
import type { Direction, Family, PlanChanges, PodPlan, PolicyNode, PolicyPlan } from '../plan.ts';
import { baseChains, baseSets, podsChain, policyChain, setDeclaration, setName } from './ruleset.ts';

/** What an object of the table was before a change; `undefined`: not there. */
export interface Undo {
  readonly chains: Map<string, readonly string[] | undefined>;
  readonly sets: Map<string, string | undefined>;
  readonly elements: Map<string, string | undefined>;
}

const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

/**
 * What the table of one family should hold. Chains by name with their rules, sets by name with their declarations,
 * elements as `set element` with their value, `''` in sets that are no maps; in the words that nft prints.
 */
export class Content {
  readonly chains = new Map<string, readonly string[]>();
  readonly sets = new Map<string, string>();
  readonly elements = new Map<string, string>();
  readonly #family: Family;
  #node: readonly string[] = [];
  readonly #policyChains = new Map<string, string>();
  readonly #podElements = new Map<string, ReadonlyMap<string, string>>();
  /** Chains of the pods' policies, and how many pods lead there. */
  readonly #uses = new Map<string, number>();
  #undo: Undo = newUndo();

  constructor(family: Family) {
    this.#family = family;
    for (const [name, rules] of baseChains(family)) this.chains.set(name, rules);
    for (const [name, declaration] of baseSets(family)) this.sets.set(name, declaration);
  }

  /** Follows the plan in everything that `changes` names; returns what each thing was that is different now. */
  update(plan: PolicyPlan, changes: PlanChanges): Undo {
    this.#undo = newUndo();
    this.#putNode(plan.node);
    for (const [key, elements] of changes.sets) this.#putSet(plan, key, elements);
    const outdated = [...changes.policies].flatMap((key) => DIRECTIONS.flatMap((d) => this.#putPolicy(plan, key, d)));
    for (const key of changes.pods) this.#putPod(key, plan.pods.get(key));
    for (const chain of outdated) this.#setChain(chain, undefined);
    return this.#undo;
  }

  #putNode(node: PolicyNode): void {
    const now = withoutContained(node.podCIDRs.filter((cidr) => familyOf(cidr) === this.#family));
    for (const cidr of this.#node) if (!now.includes(cidr)) this.#setElement(`local ${cidr}`, undefined);
    for (const cidr of now) this.#setElement(`local ${cidr}`, '');
    this.#node = now;
  }

  #putSet(plan: PolicyPlan, key: string, changed: ReadonlySet<string>): void {
    const set = plan.sets.get(key);
    const name = setName(key.startsWith('ports ') ? 'ports' : 'pods', key);
    this.#note(this.#undo.sets, this.sets, name);
    if (set) this.sets.set(name, setDeclaration(this.#family, set.kind, set.label));
    else this.sets.delete(name);
    for (const element of changed) {
      if (familyOf(element) !== this.#family) continue;
      this.#setElement(`${name} ${element}`, set?.elements.has(element) ? '' : undefined);
    }
  }

  /** Returns the name of the chain that was there and is no longer right. */
  #putPolicy(plan: PolicyPlan, key: string, direction: Direction): string[] {
    const entry = plan.policies.get(key);
    const id = `${direction} ${key}`;
    const before = this.#policyChains.get(id);
    const now = entry?.[direction] && policyChain(this.#family, entry, direction);
    if (now) {
      this.#policyChains.set(id, now.name);
      this.#setChain(now.name, now.rules);
    } else this.#policyChains.delete(id);
    return before === undefined || before === now?.name ? [] : [before];
  }

  #putPod(key: string, pod: PodPlan | undefined): void {
    const before = this.#podElements.get(key) ?? new Map<string, string>();
    const now = pod ? this.#elementsOf(pod) : new Map<string, string>();
    for (const value of now.values()) this.#use(value, 1);
    for (const value of before.values()) this.#use(value, -1);
    for (const element of before.keys()) {
      if (!now.has(element) && !this.#heldByOther(key, element)) this.#setElement(element, undefined);
    }
    for (const [element, value] of now) this.#setElement(element, value);
    if (now.size > 0) this.#podElements.set(key, now);
    else this.#podElements.delete(key);
  }

  /** An address that moved from one pod to another within one change. */
  #heldByOther(key: string, element: string): boolean {
    for (const [other, elements] of this.#podElements) if (other !== key && elements.has(element)) return true;
    return false;
  }

  #elementsOf(pod: PodPlan): Map<string, string> {
    const elements = new Map<string, string>();
    for (const address of pod.addresses) {
      if (familyOf(address) !== this.#family) continue;
      elements.set(`known ${address}`, '');
      for (const direction of DIRECTIONS) {
        if (pod[direction].length === 0) continue;
        elements.set(`${direction} ${address}`, `goto ${this.#podsChain(direction, pod[direction])}`);
        elements.set(`isolated ${address}`, '');
        elements.set(`self ${address} . ${address}`, '');
      }
    }
    return elements;
  }

  #podsChain(direction: Direction, policies: readonly string[]): string {
    const chains = policies.map((key) => this.#policyChains.get(`${direction} ${key}`) ?? '');
    const { name, rules } = podsChain(direction, policies, chains);
    this.#setChain(name, rules);
    return name;
  }

  #use(value: string, by: 1 | -1): void {
    if (value === '') return;
    const chain = value.slice('goto '.length);
    const uses = (this.#uses.get(chain) ?? 0) + by;
    if (uses > 0) {
      this.#uses.set(chain, uses);
      return;
    }
    this.#uses.delete(chain);
    this.#setChain(chain, undefined);
  }

  #setChain(name: string, rules: readonly string[] | undefined): void {
    this.#note(this.#undo.chains, this.chains, name);
    if (rules) this.chains.set(name, rules);
    else this.chains.delete(name);
  }

  #setElement(element: string, value: string | undefined): void {
    this.#note(this.#undo.elements, this.elements, element);
    if (value === undefined) this.elements.delete(element);
    else this.elements.set(element, value);
  }

  #note<T>(undo: Map<string, T | undefined>, present: ReadonlyMap<string, T>, name: string): void {
    if (!undo.has(name)) undo.set(name, present.get(name));
  }
}

function newUndo(): Undo {
  return { chains: new Map(), sets: new Map(), elements: new Map() };
}
