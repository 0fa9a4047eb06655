import { isDeepStrictEqual } from 'node:util';
import type { Labels, Namespace, NetworkPolicy, Pod } from '../api/types.ts';
import { type CompiledPolicy, compilePolicy, type SetSource } from './compile.ts';
import type { Direction, PlanChanges, PodPlan, PolicyEntry, PolicyNode, PolicyPlan } from './plan.ts';
import { type PodFacts, podFacts } from './pod-facts.ts';

/** What these policies say of the pods of `node`. Pods and namespaces are those of the whole cluster. */
export function planPolicies(
  policies: Iterable<NetworkPolicy>,
  pods: Iterable<Pod>,
  namespaces: Iterable<Namespace>,
  node: PolicyNode,
): PolicyPlan {
  const planner = new PolicyPlanner(node);
  for (const namespace of namespaces) planner.putNamespace(namespace.metadata?.name ?? '', namespace);
  for (const pod of pods) planner.putPod(`${pod.metadata?.namespace}/${pod.metadata?.name}`, pod);
  for (const policy of policies) planner.putPolicy(`${policy.metadata?.namespace}/${policy.metadata?.name}`, policy);
  return planner.plan;
}

/**
 * The same plan, kept while objects change: each change plans anew only what hangs on it. Sets and policies are in the
 * plan only while a pod of this node needs them.
 */
export class PolicyPlanner {
  #node: PolicyNode;
  readonly #facts = new Map<string, PodFacts>();
  readonly #keysByNamespace = new Map<string, Set<string>>();
  readonly #namespaceLabels = new Map<string, Labels>();
  readonly #compiled = new Map<string, CompiledPolicy>();
  readonly #policiesByNamespace = new Map<string, Map<string, CompiledPolicy>>();
  /** Pods of this node that a policy selects. */
  readonly #selected = new Map<string, Set<string>>();
  /** Whose an address is: see {@link PodFacts.createdAt}. */
  readonly #owners = new Map<string, PodFacts>();
  readonly #pods = new Map<string, PodPlan>();
  readonly #podsByAddress = new Map<string, PodPlan>();
  readonly #policies = new Map<string, PolicyEntry>();
  readonly #sets = new Map<string, LiveSet>();
  #changes = newChanges();

  constructor(node: PolicyNode) {
    this.#node = node;
  }

  /** A live view: it changes with the next `put`. */
  get plan(): PolicyPlan {
    return {
      node: this.#node,
      pods: this.#pods,
      podsByAddress: this.#podsByAddress,
      policies: this.#policies,
      sets: this.#sets,
    };
  }

  setNode(node: PolicyNode): void {
    this.#node = node;
  }

  takeChanges(): PlanChanges {
    const changes = this.#changes;
    this.#changes = newChanges();
    return changes;
  }

  putNamespace(name: string, namespace: Namespace | undefined): void {
    const labels = namespace?.metadata?.labels ?? {};
    if (isDeepStrictEqual(this.#namespaceLabels.get(name), labels)) return;
    this.#namespaceLabels.set(name, labels);
    if (!namespace) this.#namespaceLabels.delete(name);
    for (const key of this.#keysByNamespace.get(name) ?? []) this.#fillSets(key);
  }

  putPod(key: string, pod: Pod | undefined): void {
    const facts = this.#claim(pod && podFacts(pod, this.#node));
    const before = this.#facts.get(key);
    if (isDeepStrictEqual(facts, before)) return;
    for (const address of before?.addresses ?? []) {
      if (this.#owners.get(address)?.key === key && !facts?.addresses.includes(address)) this.#owners.delete(address);
    }
    this.#store(key, facts, before?.namespace);
    this.#fillSets(key);
    if (before?.local || facts?.local) this.#planPod(key);
  }

  putPolicy(key: string, policy: NetworkPolicy | undefined): void {
    const before = this.#compiled.get(key);
    const now = policy && compilePolicy(policy);
    if (before && this.#policies.has(key)) this.#retire(before);
    if (before) {
      this.#compiled.delete(key);
      this.#policiesByNamespace.get(before.namespace)?.delete(key);
    }
    if (now) {
      this.#compiled.set(key, now);
      const others = this.#policiesByNamespace.get(now.namespace) ?? new Map<string, CompiledPolicy>();
      this.#policiesByNamespace.set(now.namespace, others.set(key, now));
      if (this.#selected.get(key)?.size) this.#bringIn(now);
    }
    const namespace = (now ?? before)?.namespace ?? '';
    for (const podKey of this.#keysByNamespace.get(namespace) ?? []) {
      if (this.#facts.get(podKey)?.local) this.#planPod(podKey);
    }
    // Pods that stay selected lead to the policy's new rules.
    for (const podKey of this.#selected.get(key) ?? []) this.#changes.pods.add(podKey);
  }

  /** Leaves out addresses that a younger pod has, and takes those of older ones. */
  #claim(facts: PodFacts | undefined): PodFacts | undefined {
    if (!facts) return undefined;
    const losers: { readonly pod: PodFacts; readonly address: string }[] = [];
    const addresses = facts.addresses.filter((address) => {
      const owner = this.#owners.get(address);
      if (owner && owner.key !== facts.key) {
        if (owner.createdAt > facts.createdAt) return false;
        losers.push({ pod: owner, address });
      }
      return true;
    });
    const claimed = addresses.length === facts.addresses.length ? facts : { ...facts, addresses };
    for (const address of addresses) this.#owners.set(address, claimed);
    for (const { pod, address } of losers) this.#dropAddress(pod.key, address);
    return addresses.length === 0 ? undefined : claimed;
  }

  #dropAddress(key: string, address: string): void {
    const facts = this.#facts.get(key);
    if (!facts) return;
    const addresses = facts.addresses.filter((each) => each !== address);
    this.#store(key, addresses.length === 0 ? undefined : { ...facts, addresses }, facts.namespace);
    this.#fillSets(key);
    if (facts.local) this.#planPod(key);
  }

  #store(key: string, facts: PodFacts | undefined, namespaceBefore: string | undefined): void {
    if (facts) {
      this.#facts.set(key, facts);
      const keys = this.#keysByNamespace.get(facts.namespace) ?? new Set();
      this.#keysByNamespace.set(facts.namespace, keys.add(key));
      return;
    }
    this.#facts.delete(key);
    if (namespaceBefore !== undefined) this.#keysByNamespace.get(namespaceBefore)?.delete(key);
  }

  /** Brings one pod's elements in all sets up to date. */
  #fillSets(key: string): void {
    const facts = this.#facts.get(key);
    const labels = facts && this.#namespaceLabels.get(facts.namespace);
    for (const set of this.#sets.values()) this.#noteElements(set, set.put(key, facts, labels));
  }

  #noteElements(set: LiveSet, elements: readonly string[]): void {
    if (elements.length === 0) return;
    const noted = this.#noteSet(set);
    for (const element of elements) noted.add(element);
  }

  #noteSet({ source }: LiveSet): Set<string> {
    const noted = this.#changes.sets.get(source.key) ?? new Set();
    this.#changes.sets.set(source.key, noted);
    return noted;
  }

  /** Which policies isolate a pod of this node. */
  #planPod(key: string): void {
    const facts = this.#facts.get(key);
    const before = this.#pods.get(key);
    const selecting = facts?.local ? this.#selecting(facts) : [];
    const by = (direction: Direction) =>
      selecting.filter((policy) => policy.entry[direction]).map((policy) => policy.key);
    const now: PodPlan | undefined = facts?.local
      ? { key, addresses: facts.addresses, ingress: by('ingress'), egress: by('egress') }
      : undefined;
    for (const policy of new Set([...(before?.ingress ?? []), ...(before?.egress ?? [])])) {
      if (!selecting.some((each) => each.key === policy)) this.#deselect(policy, key);
    }
    for (const policy of selecting) this.#select(policy, key);
    if (isDeepStrictEqual(before, now)) return;
    this.#changes.pods.add(key);
    for (const address of before?.addresses ?? []) {
      if (this.#podsByAddress.get(address)?.key === key) this.#podsByAddress.delete(address);
    }
    if (!now) {
      this.#pods.delete(key);
      return;
    }
    this.#pods.set(key, now);
    for (const address of now.addresses) this.#podsByAddress.set(address, now);
  }

  #selecting(facts: PodFacts): CompiledPolicy[] {
    const policies = this.#policiesByNamespace.get(facts.namespace);
    return [...(policies?.values() ?? [])]
      .filter((policy) => policy.selects(facts.labels))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #select(policy: CompiledPolicy, pod: string): void {
    const pods = this.#selected.get(policy.key) ?? new Set();
    this.#selected.set(policy.key, pods.add(pod));
    if (!this.#policies.has(policy.key)) this.#bringIn(policy);
  }

  #deselect(key: string, pod: string): void {
    const pods = this.#selected.get(key);
    pods?.delete(pod);
    if (pods?.size !== 0) return;
    this.#selected.delete(key);
    const policy = this.#compiled.get(key);
    if (policy && this.#policies.has(key)) this.#retire(policy);
  }

  #bringIn(policy: CompiledPolicy): void {
    this.#policies.set(policy.key, policy.entry);
    this.#changes.policies.add(policy.key);
    for (const source of policy.sets.values()) {
      const set = this.#sets.get(source.key) ?? this.#makeSet(source);
      set.users++;
    }
  }

  #retire(policy: CompiledPolicy): void {
    this.#policies.delete(policy.key);
    this.#changes.policies.add(policy.key);
    for (const key of policy.sets.keys()) {
      const set = this.#sets.get(key);
      if (!set || --set.users > 0) continue;
      this.#sets.delete(key);
      this.#noteSet(set);
      this.#noteElements(set, [...set.elements.keys()]);
    }
  }

  #makeSet(source: SetSource): LiveSet {
    const set = new LiveSet(source);
    this.#sets.set(source.key, set);
    this.#noteSet(set);
    const keys = source.namespace === undefined ? this.#facts.keys() : this.#keysByNamespace.get(source.namespace);
    for (const key of keys ?? []) {
      const facts = this.#facts.get(key);
      if (facts) this.#noteElements(set, set.put(key, facts, this.#namespaceLabels.get(facts.namespace)));
    }
    return set;
  }
}

class LiveSet {
  readonly source: SetSource;
  readonly elements = new Map<string, string>();
  /** Policies in the plan that use it. */
  users = 0;
  readonly #members = new Map<string, readonly string[]>();

  constructor(source: SetSource) {
    this.source = source;
  }

  get kind(): SetSource['kind'] {
    return this.source.kind;
  }

  get label(): string {
    return this.source.label;
  }

  /** Returns the elements that came or went. */
  put(key: string, facts: PodFacts | undefined, labels: Labels | undefined): string[] {
    const mine = facts && (this.source.namespace ?? facts.namespace) === facts.namespace;
    const before = this.#members.get(key) ?? [];
    const now = mine ? this.source.elementsOf(facts, labels) : [];
    if (now.length > 0) this.#members.set(key, now);
    else this.#members.delete(key);
    const gone = before.filter((element) => !now.includes(element) && this.elements.get(element) === key);
    const come = now.filter((element) => this.elements.get(element) !== key);
    for (const element of gone) this.elements.delete(element);
    for (const element of come) this.elements.set(element, key);
    return [...gone, ...come];
  }
}

function newChanges() {
  return { pods: new Set<string>(), policies: new Set<string>(), sets: new Map<string, Set<string>>() };
}
