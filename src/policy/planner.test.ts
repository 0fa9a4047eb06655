import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Namespace, NetworkPolicy, Pod } from '../api/types.ts';
import { Content } from './nftables/content.ts';
import { formatPlan, type PolicyPlan } from './plan.ts';
import { PolicyPlanner, planPolicies } from './planner.ts';
import { matching, namespace, node1, pod, policy } from './testing/objects.ts';
import { Random, randomPolicy } from './testing/random.ts';

const fromB = [{ from: [{ podSelector: matching({ app: 'b' }) }] }];

describe('the plan of NetworkPolicies', () => {
  test('holds sets and policies only while a pod of the node needs them', () => {
    const planner = new PolicyPlanner(node1);
    planner.putPolicy('shop/p', policy('shop/p', { podSelector: matching({ app: 'a' }), ingress: fromB }));
    planner.putPod('shop/b', pod('shop/b', '10.244.2.2', { nodeName: 'node2' }));
    assert.deepEqual([planner.plan.policies.size, planner.plan.sets.size], [0, 0]);
    planner.putPod('shop/a', pod('shop/a', '10.244.1.2'));
    assert.deepEqual([planner.plan.policies.size, planner.plan.sets.size], [1, 1]);
    planner.putPod('shop/a', undefined);
    assert.deepEqual([planner.plan.policies.size, planner.plan.sets.size], [0, 0]);
  });

  test('a change touches only what hangs on it', () => {
    const planner = new PolicyPlanner(node1);
    planner.putPod('shop/a', pod('shop/a', '10.244.1.2'));
    planner.putPod('shop/b', pod('shop/b', '10.244.2.2', { nodeName: 'node2' }));
    planner.putPolicy('shop/p', policy('shop/p', { ingress: fromB }));
    planner.takeChanges();
    planner.putPod('shop/b', pod('shop/b', '10.244.2.3', { nodeName: 'node2' }));
    const { pods, policies, sets } = planner.takeChanges();
    assert.deepEqual([pods.size, policies.size], [0, 0]);
    assert.deepEqual([...sets.values()].flatMap((elements) => [...elements]).sort(), ['10.244.2.2', '10.244.2.3']);
    planner.putPod('shop/b', {
      ...pod('shop/b', '10.244.2.3', { nodeName: 'node2' }),
      metadata: { ...pod('shop/b', '').metadata, resourceVersion: '7' },
    });
    assert.equal(planner.takeChanges().sets.size, 0, 'a change that no policy looks at');
  });

  test('pods that are over, have no address or share the node’s network are not in it', () => {
    const pods = [
      pod('shop/done', '10.244.1.2', { phase: 'Succeeded' }),
      pod('shop/new', []),
      pod('shop/host', '10.89.0.11', { hostNetwork: true }),
    ];
    assert.equal(planPolicies([policy('shop/p', {})], pods, [], node1).pods.size, 0);
  });

  test('an address that was given again belongs to the younger pod', () => {
    const old = pod('shop/old', '10.244.1.2', { labels: { app: 'b' } });
    const young = pod('shop/young', '10.244.1.2', { createdAt: '2026-02-01T00:00:00Z' });
    for (const pods of [
      [old, young],
      [young, old],
    ]) {
      const plan = planPolicies([policy('shop/p', { ingress: fromB })], pods, [namespace('shop')], node1);
      assert.deepEqual([...plan.pods.keys()], ['shop/young']);
      assert.deepEqual(
        [...plan.sets.values()].flatMap((set) => [...set.elements.keys()]),
        [],
      );
    }
  });

  test('changes in any order end in the same plan and table as planning everything anew', () => {
    const random = new Random(20_26);
    const planner = new PolicyPlanner(node1);
    const content = new Content('ipv4');
    const policies = new Map<string, NetworkPolicy>();
    const pods = new Map<string, Pod>();
    const namespaces = new Map<string, Namespace>();
    for (let step = 0; step < 600; step++) {
      change(random, planner, { policies, pods, namespaces });
      if (random.int(3) > 0) continue;
      content.update(planner.plan, planner.takeChanges());
      const anew = planPolicies(policies.values(), pods.values(), namespaces.values(), node1);
      assert.equal(formatPlan(planner.plan), formatPlan(anew), `step ${step}`);
      assert.deepEqual(texts(content), texts(contentOf(anew)), `step ${step}`);
    }
  });
});

interface Objects {
  readonly policies: Map<string, NetworkPolicy>;
  readonly pods: Map<string, Pod>;
  readonly namespaces: Map<string, Namespace>;
}

function change(random: Random, planner: PolicyPlanner, { policies, pods, namespaces }: Objects): void {
  const put = <T>(map: Map<string, T>, key: string, value: T | undefined) => {
    if (value === undefined) map.delete(key);
    else map.set(key, value);
    return value;
  };
  const gone = random.int(4) === 0;
  switch (random.int(3)) {
    case 0: {
      const name = random.of(['p', 'q', 'r']);
      planner.putPolicy(`shop/${name}`, put(policies, `shop/${name}`, gone ? undefined : randomPolicy(random, name)));
      return;
    }
    case 1: {
      const name = random.of(['shop', 'ops']);
      const labels = { team: random.of(['shop', 'ops']) };
      planner.putNamespace(name, put(namespaces, name, gone ? undefined : namespace(name, labels)));
      return;
    }
    default: {
      const number = random.int(8);
      const key = `${random.of(['shop', 'ops'])}/pod-${number}`;
      const object = pod(key, `10.244.${1 + (number % 2)}.${10 + number + (key.startsWith('ops') ? 100 : 0)}`, {
        nodeName: number % 2 === 0 ? 'node1' : 'node2',
        labels: { app: random.of(['a', 'b', 'c']) },
        ports: random.of([[], [{ name: 'web', containerPort: random.of([8080, 8081]) }]]),
      });
      planner.putPod(key, put(pods, key, gone ? undefined : object));
    }
  }
}

function contentOf(plan: PolicyPlan): Content {
  const content = new Content('ipv4');
  content.update(plan, {
    pods: new Set(plan.pods.keys()),
    policies: new Set(plan.policies.keys()),
    sets: new Map([...plan.sets].map(([key, set]) => [key, new Set(set.elements.keys())])),
  });
  return content;
}

function texts(content: Content): unknown {
  const sorted = <T>(map: ReadonlyMap<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return [sorted(content.chains), sorted(content.sets), sorted(content.elements)];
}
