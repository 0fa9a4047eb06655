import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EndpointSlice, Service } from '../../api/types.ts';
import { deleteFlows } from '../../kernel/conntrack.ts';
import { run } from '../../kernel/run.ts';
import type { Backend } from '../backend.ts';
import type { Masquerade, NodeFacts, PlanEntry } from '../plan.ts';
import { planService } from '../services.ts';
import { staleFlows } from '../staleflows.ts';
import { CLIENT, type Lab, NODE1, NODE2, type Peer, startLab } from './lab.ts';
import { node1 as labNode, labPods, service, slice } from './objects.ts';

export interface BackendUnderTest {
  /** A back end that writes into the namespace that `inNode` enters. */
  start(inNode: readonly string[]): { backend: Backend; stop(): Promise<void> };
  /** As the plans for this back end say. */
  readonly masquerade: Masquerade;
  /** A port that a virtual address does not serve is refused here, and not left to the routes. */
  readonly refusesUnserved: boolean;
  /** What somebody else does to the rules: commands in the node's network. */
  readonly damage: Readonly<Record<string, readonly string[]>>;
}

const VIP = '10.96.0.10';
const LB = '203.0.113.10';
const { a, b, c } = labPods;
/** The node's address on the links of its pods: what they see where the node hides a client. */
const GATEWAY = '10.244.1.1';

/** What every back end must do with packets. */
export function packetSuite(title: string, underTest: BackendUnderTest): void {
  const { start, masquerade, refusesUnserved, damage: damages } = underTest;
  const node1: NodeFacts = { ...labNode, masquerade };
  /** Whom a pod of this node sees, where a `client` comes through an outside address, or from outside the pods. */
  const seen = (client: string) => (masquerade === 'always' ? GATEWAY : client);
  describe(title, { timeout: 300_000 }, () => {
    let lab: Lab;
    let backend: Backend;
    let stop: () => Promise<void>;
    const planned = new Map<string, PlanEntry>();

    before(async () => {
      lab = await startLab();
      ({ backend, stop } = start(lab.inNode));
      await backend.load(new Map(), node1);
    });
    after(async () => {
      await stop?.();
      await lab?.stop();
    });

    const put = async (object: Service, ...slices: EndpointSlice[]) => {
      const key = `shop/${object.metadata?.name}`;
      const entry = planService(object, slices, node1);
      const stale = staleFlows(planned.get(key), entry, node1);
      await backend.update(new Map([[key, entry]]));
      await deleteFlows(stale, { command: [...lab.inNode, 'conntrack'] });
      if (entry) planned.set(key, entry);
    };
    const remove = async (name: string) => {
      await backend.update(new Map([[`shop/${name}`, undefined]]));
      planned.delete(`shop/${name}`);
    };
    /** Every server that answers in `tries` connections, with what it sees. */
    const whoAnswers = async (peer: Peer, host: string, port: number, tries = 24, protocol: 'tcp' | 'udp' = 'tcp') => {
      const answers = new Set<string | undefined>();
      for (let i = 0; i < tries; i++) {
        const { answer, error } = await peer[protocol](host, port);
        answers.add(answer ?? error);
      }
      return [...answers].sort();
    };

    test('a ClusterIP spreads TCP connections over all its endpoints, which see the client pod', async () => {
      await put(service('web', VIP), slice('web', [b, c]));
      assert.deepEqual(await whoAnswers(lab.a, VIP, 80), ['b sees 10.244.1.2', 'c sees 10.244.1.2']);
    });

    test('a ClusterIP answers from the node itself and from its hostNetwork pods', async () => {
      assert.deepEqual(await whoAnswers(lab.node, VIP, 80), [`b sees ${seen(NODE1)}`, `c sees ${NODE1}`]);
    });

    test('a pod reaches itself through its Service', async () => {
      await put(service('self', '10.96.0.11'), slice('self', [a]));
      assert.deepEqual(await whoAnswers(lab.a, '10.96.0.11', 80, 3), ['a sees 10.244.1.1']);
      assert.deepEqual(await whoAnswers(lab.b, '10.96.0.11', 80, 3), ['a sees 10.244.1.3']);
    });

    test('UDP is spread too, and an endpoint that goes away is forgotten', async () => {
      const dns = service('dns', '10.96.0.12', { ports: [{ port: 53, protocol: 'UDP' }] });
      await put(dns, slice('dns', [b, c], 'UDP'));
      assert.deepEqual(await whoAnswers(lab.a, '10.96.0.12', 53, 24, 'udp'), [
        'b sees 10.244.1.2',
        'c sees 10.244.1.2',
      ]);
      await put(dns, slice('dns', [b], 'UDP'));
      assert.equal((await lab.a.udp('10.96.0.12', 53, undefined, 5000)).answer, 'b sees 10.244.1.2');
      await put(dns, slice('dns', [c], 'UDP'));
      assert.equal((await lab.a.udp('10.96.0.12', 53, undefined, 5000)).answer, 'c sees 10.244.1.2', 'same local port');
    });

    test('no endpoints: a hundred TCP connections in a row are refused, each within milliseconds', async () => {
      await put(service('empty', '10.96.0.13', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_013 }] }));
      const hosts: [Peer, string, number][] = [
        [lab.a, '10.96.0.13', 80],
        [lab.node, '10.96.0.13', 80],
        [lab.client, NODE1, 30_013],
      ];
      for (const [peer, host, port] of hosts) {
        const times: number[] = [];
        for (let i = 0; i < 100; i++) {
          const { error, ms } = await peer.tcp(host, port);
          assert.equal(error, 'ECONNREFUSED');
          times.push(ms);
        }
        const median = times.sort((x, y) => x - y)[50] ?? 0;
        // A rate limit makes them wait for a second; a busy machine for milliseconds.
        assert.ok(median < 100, `${median.toFixed(2)} ms in the middle`);
      }
    });

    test('no endpoints: UDP clients hear of it at once', async () => {
      await put(service('empty-udp', '10.96.0.14', { ports: [{ port: 53, protocol: 'UDP' }] }));
      for (let i = 0; i < 20; i++) {
        const { error, ms } = await lab.a.udp('10.96.0.14', 53);
        assert.equal(error, 'ECONNREFUSED');
        assert.ok(ms < 500, `${ms} ms: a rate limit makes them wait for a second`);
      }
    });

    test('a port that a virtual address does not serve is refused', async () => {
      const { error, ms } = await lab.a.tcp(VIP, 81, 500);
      assert.ok(error, 'nobody answers');
      if (!refusesUnserved) return;
      assert.equal(error, 'ECONNREFUSED');
      assert.ok(ms < 500, `${ms} ms`);
    });

    test(`a node port answers outside clients; ${masquerade === 'always' ? 'all of them lose their address' : 'only what leaves the node again loses its address'}`, async () => {
      await put(
        service('np', '10.96.0.15', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_015 }] }),
        slice('np', [b, c]),
      );
      const hidden = masquerade === 'always';
      const pod = '10.244.1.2';
      assert.deepEqual(await whoAnswers(lab.client, NODE1, 30_015), [`b sees ${seen(CLIENT)}`, `c sees ${NODE1}`]);
      assert.deepEqual(await whoAnswers(lab.a, NODE1, 30_015), [
        `b sees ${seen(pod)}`,
        `c sees ${hidden ? NODE1 : pod}`,
      ]);
      assert.deepEqual(await whoAnswers(lab.node, NODE1, 30_015), [`b sees ${seen(NODE1)}`, `c sees ${NODE1}`]);
    });

    test('externalTrafficPolicy Local keeps the client on local endpoints with its address; pods use all', async () => {
      const local = service('local', '10.96.0.16', {
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        ports: [{ port: 80, nodePort: 30_016 }],
      });
      local.status = { loadBalancer: { ingress: [{ ip: LB }] } };
      await put(local, slice('local', [b, c]));
      assert.deepEqual(await whoAnswers(lab.client, NODE1, 30_016, 8), [`b sees ${CLIENT}`]);
      assert.deepEqual(await whoAnswers(lab.client, LB, 80, 8), [`b sees ${CLIENT}`]);
      assert.deepEqual(await whoAnswers(lab.a, LB, 80), ['b sees 10.244.1.2', 'c sees 10.244.1.2']);
      assert.deepEqual(await whoAnswers(lab.node, NODE1, 30_016), [`b sees ${seen(NODE1)}`, `c sees ${NODE1}`]);

      await put(local, slice('local', [c]));
      assert.equal((await lab.client.tcp(NODE1, 30_016, 300)).error, 'TIMEOUT', 'dropped: other nodes have endpoints');
      assert.equal((await lab.a.tcp(LB, 80)).answer, 'c sees 10.244.1.2');
      // A pod of another node comes to this one's port from outside; kube-proxy's chains know it by the pods' network.
      const far = await lab.c.tcp(NODE1, 30_016, masquerade === 'always' ? undefined : 300);
      if (masquerade === 'always') assert.match(far.answer ?? '', /^c sees /);
      else assert.equal(far.error, 'TIMEOUT');
      await put(local, slice('local', []));
      assert.equal((await lab.client.tcp(NODE1, 30_016)).error, 'ECONNREFUSED', 'no node has endpoints');
    });

    test('internalTrafficPolicy Local stays on the node, and drops where the node has no endpoint', async () => {
      const local = service('inside', '10.96.0.17', { internalTrafficPolicy: 'Local' });
      await put(local, slice('inside', [b, c]));
      assert.deepEqual(await whoAnswers(lab.a, '10.96.0.17', 80, 8), ['b sees 10.244.1.2']);
      await put(local, slice('inside', [c]));
      assert.equal((await lab.a.tcp('10.96.0.17', 80, 300)).error, 'TIMEOUT');
    });

    test('externalIPs and load balancer addresses answer; source ranges keep others out', async () => {
      const lb = service('ranges', '10.96.0.18', {
        type: 'LoadBalancer',
        externalIPs: ['203.0.113.18'],
        loadBalancerSourceRanges: ['192.0.2.0/24', '10.244.1.2/32'],
      });
      lb.status = { loadBalancer: { ingress: [{ ip: '203.0.113.17' }] } };
      await put(lb, slice('ranges', [b]));
      assert.equal((await lab.client.tcp('203.0.113.17', 80, 300)).error, 'TIMEOUT');
      assert.equal((await lab.a.tcp('203.0.113.17', 80)).answer, `b sees ${seen('10.244.1.2')}`);
      const unserved = await lab.client.tcp('203.0.113.17', 81);
      assert.equal(unserved.error, 'ECONNREFUSED', 'a port that nobody serves is refused, and does not loop');
      assert.equal((await lab.client.tcp('203.0.113.18', 80)).answer, `b sees ${seen(CLIENT)}`);
    });

    test('a load balancer that gives nodes’ own addresses leaves what else listens there alone', async () => {
      const own = service('own', '10.96.0.24', { type: 'LoadBalancer', ports: [{ port: 8081 }] });
      own.status = { loadBalancer: { ingress: [{ ip: NODE1 }] } };
      await put(own, slice('own', [b]));
      await lab.node.serve('tcp', 9100);
      for (const peer of [lab.node, lab.a, lab.client]) {
        assert.match((await peer.tcp(NODE1, 9100)).answer ?? '', /^node1 sees/);
        assert.match((await peer.tcp(NODE1, 8081)).answer ?? '', /^b sees/);
      }
    });

    test('session affinity keeps a client with its endpoint until that is gone', async () => {
      const sticky = service('sticky', '10.96.0.19', { sessionAffinity: 'ClientIP' });
      await put(sticky, slice('sticky', [a, b, c]));
      const [first = '', ...others] = await whoAnswers(lab.node, '10.96.0.19', 80, 12);
      assert.deepEqual(others, []);
      const rest = Object.entries(labPods).filter(([name]) => !first.startsWith(`${name} `));
      await put(
        sticky,
        slice(
          'sticky',
          rest.map(([, pod]) => pod),
        ),
      );
      const [second = '', ...more] = await whoAnswers(lab.node, '10.96.0.19', 80, 12);
      assert.deepEqual(more, []);
      assert.notEqual(second, first);
      await put(sticky, slice('sticky', [a, b, c]));
      assert.deepEqual(await whoAnswers(lab.node, '10.96.0.19', 80, 12), [second], 'a new endpoint moves nobody');
    });

    test('an open connection survives changes of other endpoints, and a rebuilt ruleset', async () => {
      await put(service('long', '10.96.0.20'), slice('long', [b, c]));
      const connection = await lab.a.open('10.96.0.20', 80);
      const { answer = '' } = connection.first;
      const [, mine = b] = Object.entries(labPods).find(([name]) => answer.startsWith(`${name} `)) ?? [];
      await put(service('long', '10.96.0.20'), slice('long', [mine, a]));
      assert.equal((await connection.again()).answer, answer);
      await put(service('long', '10.96.0.20'), slice('long', [mine]));
      assert.equal((await connection.again()).answer, answer);
      await lab.acknowledged();
      await run(lab.inNode[0] ?? '', [...lab.inNode.slice(1), 'nft', 'flush', 'ruleset']);
      assert.ok(await backend.audit());
      assert.equal((await connection.again()).answer, answer);
    });

    test('terminating endpoints serve where nothing is ready', async () => {
      const leaving = { ...b, conditions: { ready: false, serving: true, terminating: true } };
      await put(service('leaving', '10.96.0.21'), slice('leaving', [leaving, c]));
      assert.deepEqual(await whoAnswers(lab.a, '10.96.0.21', 80, 8), ['c sees 10.244.1.2']);
      await put(service('leaving', '10.96.0.21'), slice('leaving', [leaving]));
      assert.deepEqual(await whoAnswers(lab.a, '10.96.0.21', 80, 3), ['b sees 10.244.1.2']);
    });

    test('a Service whose endpoint is no pod (the API server) is reached from a pod and from the node', async () => {
      const outside = { addresses: [NODE2], conditions: { ready: true } };
      await put(service('host', '10.96.0.22'), slice('host', [outside]));
      // Nothing listens there: the reset comes from the endpoint itself, so the packet went and came back.
      assert.equal((await lab.a.tcp('10.96.0.22', 80)).error, 'ECONNREFUSED');
      await put(service('node-local', '10.96.0.23'), {
        ...slice('node-local', [{ addresses: [NODE1], nodeName: 'node1' }]),
        ports: [{ name: '', port: 9000, protocol: 'TCP' }],
      });
      await lab.node.serve('tcp', 9000);
      assert.equal((await lab.a.tcp('10.96.0.23', 80)).answer, 'node1 sees 10.244.1.2');
      assert.equal((await lab.node.tcp('10.96.0.23', 80)).answer, `node1 sees ${NODE1}`);
    });

    test('a deleted Service leaves nothing behind', async () => {
      await remove('web');
      assert.notEqual((await lab.a.tcp(VIP, 80, 300)).answer, 'b sees 10.244.1.2');
      assert.equal(await backend.audit(), undefined);
    });

    for (const [what, damage] of Object.entries(damages)) {
      test(`right again after ${what}`, async () => {
        await run(lab.inNode[0] ?? '', [...lab.inNode.slice(1), ...damage]);
        assert.ok(await backend.audit());
        assert.equal(await backend.audit(), undefined);
        assert.equal((await lab.a.tcp('10.96.0.11', 80)).answer, 'a sees 10.244.1.1');
      });
    }

    test('a restart finds its own rules and changes nothing', async () => {
      const before = await run(lab.inNode[0] ?? '', [...lab.inNode.slice(1), 'nft', '-a', 'list', 'ruleset']);
      const { backend: again, stop: stopAgain } = start(lab.inNode);
      await again.load(planned, node1).finally(stopAgain);
      const now = await run(lab.inNode[0] ?? '', [...lab.inNode.slice(1), 'nft', '-a', 'list', 'ruleset']);
      assert.equal(stable(now), stable(before));
    });
  });
}

/** Without what packets and time change. */
function stable(ruleset: string): string {
  return ruleset.replaceAll(/counter packets \d+ bytes \d+/g, 'counter').replaceAll(/ expires \w+/g, '');
}
