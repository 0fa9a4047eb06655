import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { NODE1 } from '../proxy/testing/lab.ts';
import { labPods, service, slice } from '../proxy/testing/objects.ts';
import { matching, pod, policy } from './testing/objects.ts';
import { ADDRESS, PolicyLab, SIX } from './testing/policy-lab.ts';

/** A packet that is to be dropped has this long to prove otherwise. */
const DROPPED_MS = 400;
const { a: A, b: B, c: C, client: CLIENT } = ADDRESS;

describe('NetworkPolicies, with packets', { timeout: 300_000 }, () => {
  let lab: PolicyLab;

  before(async () => {
    lab = await PolicyLab.start();
  });
  after(() => lab?.stop());

  type From = 'a' | 'b' | 'c' | 'client' | 'node';
  const admitted = async (from: From, to: string, port = 8080) => {
    const answers = await Promise.all([
      lab.lab[from].tcp(to, port),
      to.includes(':') ? undefined : lab.lab[from].udp(to, port),
    ]);
    for (const answer of answers) assert.equal(answer?.error, undefined, `${from} → ${to}:${port}`);
  };
  /** A UDP server of the node would answer from another of its addresses. */
  const admittedByTCP = async (from: From, to: string, port: number) =>
    assert.equal((await lab.lab[from].tcp(to, port)).error, undefined);
  const dropped = async (from: From, to: string, port = 8080) => {
    const peer = lab.lab[from];
    const answers = await Promise.all([
      peer.tcp(to, port, DROPPED_MS),
      to.includes(':') ? undefined : peer.udp(to, port, DROPPED_MS),
    ]);
    for (const answer of answers) if (answer) assert.equal(answer.error, 'TIMEOUT', `${from} → ${to}:${port}`);
  };

  test('deny all ingress: only the own node gets through', async () => {
    await lab.set(policy('shop/deny', {}));
    await Promise.all([
      admitted('node', A),
      admitted('a', C),
      admittedByTCP('a', NODE1, 9000),
      admitted('a', A),
      dropped('b', A),
      dropped('c', A),
      dropped('client', A),
      dropped('b', SIX.a),
    ]);
  });

  test('deny all egress', async () => {
    await lab.set(policy('shop/deny', { policyTypes: ['Egress'] }));
    await Promise.all([
      admitted('client', A),
      admittedByTCP('a', NODE1, 9000),
      dropped('a', C),
      dropped('a', B),
      dropped('a', CLIENT, 9000),
    ]);
  });

  test('a namespace, some pods, and a block with an exception', async () => {
    await lab.set(
      policy('shop/ops', {
        podSelector: matching({ app: 'a' }),
        ingress: [{ from: [{ namespaceSelector: matching({ team: 'ops' }) }] }],
      }),
      policy('shop/b', {
        podSelector: matching({ app: 'b' }),
        ingress: [
          {
            from: [
              { podSelector: matching({ app: 'a' }) },
              { ipBlock: { cidr: '198.51.100.0/24', except: ['198.51.100.8/29'] } },
            ],
          },
        ],
      }),
    );
    await Promise.all([
      admitted('c', A),
      admitted('a', B),
      admitted('a', SIX.b),
      admitted('client', B),
      dropped('b', A),
      dropped('client', A),
      dropped('c', B),
    ]);
  });

  test('ports, ranges and names', async () => {
    const ports = [
      { protocol: 'TCP', port: 'web' },
      { protocol: 'UDP', port: 'web' },
      { port: 8999, endPort: 9001 },
      { protocol: 'UDP', port: 9000 },
    ];
    lab.putPod(
      pod('shop/a', [A, SIX.a], {
        ports: ['TCP', 'UDP'].map((protocol) => ({ name: 'web', protocol, containerPort: 8080 })),
      }),
    );
    lab.putPod(
      pod('shop/b', [B, SIX.b], {
        ports: ['TCP', 'UDP'].map((protocol) => ({ name: 'web', protocol, containerPort: 8081 })),
      }),
    );
    await lab.set(policy('shop/ports', { ingress: [{ ports }] }));
    await Promise.all([
      admitted('c', A, 8080),
      admitted('c', A, 9000),
      admitted('client', B, 8081),
      admitted('b', SIX.a, 8080),
      dropped('c', A, 8081),
      dropped('client', B, 8080),
      dropped('b', SIX.a, 8081),
    ]);
  });

  test('a pod that the plan does not know is closed until it is planned', async () => {
    await lab.set(policy('ops/elsewhere', {}));
    lab.removePod('shop/a');
    await lab.commit();
    await Promise.all([dropped('b', A), dropped('a', C), admitted('node', A), admitted('b', C)]);
    lab.putPod(pod('shop/a', [A, SIX.a]));
    await lab.commit();
    await admitted('b', A);
  });

  test('a connection that a new policy forbids is cut, others stay', async () => {
    await lab.set();
    const [forbidden, kept, own] = await Promise.all([
      lab.lab.client.open(A, 8080),
      lab.lab.b.open(A, 8080),
      lab.lab.node.open(A, 8080),
    ]);
    const localPort = 40_404;
    await lab.lab.client.udp(A, 8080, undefined, localPort);
    const tightened = await lab.set(
      policy('shop/only-b', {
        podSelector: matching({ app: 'a' }),
        ingress: [{ from: [{ podSelector: matching({ app: 'b' }) }] }],
      }),
    );
    assert.ok(tightened);
    assert.ok((await forbidden.again()).answer, 'rules alone leave established connections');
    assert.ok((await lab.cut()) >= 2);
    // The reset is lost where the client's packet met the rules before its connection was forgotten.
    assert.match((await forbidden.again()).error ?? 'an answer', /^(ECONNRESET|TIMEOUT)$/);
    assert.equal((await lab.lab.client.udp(A, 8080, DROPPED_MS, localPort)).error, 'TIMEOUT');
    assert.ok((await kept.again()).answer);
    assert.ok((await own.again()).answer);
    assert.equal(await lab.cut(), 0);
  });

  test('a relabelled peer loses its connection', async () => {
    const allowed = { ingress: [{ from: [{ podSelector: matching({ role: 'friend' }) }] }] };
    lab.putPod(pod('shop/b', B, { labels: { role: 'friend' } }));
    await lab.set(policy('shop/friends', allowed));
    const open = await lab.lab.b.open(A, 8080);
    assert.ok(open.first.answer);
    lab.putPod(pod('shop/b', B, { labels: { role: 'stranger' } }));
    assert.ok(await lab.commit());
    assert.ok((await lab.cut()) >= 1);
    assert.equal((await open.again()).error, 'ECONNRESET');
    lab.putPod(pod('shop/b', [B, SIX.b]));
    await lab.commit();
  });

  test('behind a Service policies see the endpoint and the client', async () => {
    await lab.serve(
      [service('web', '10.96.0.10'), service('remote', '10.96.0.11'), service('self', '10.96.0.12')],
      [slice('web', [labPods.b]), slice('remote', [labPods.c]), slice('self', [labPods.a])],
    );
    await lab.set(
      policy('shop/to-b', {
        podSelector: matching({ app: 'a' }),
        egress: [{ to: [{ podSelector: matching({ app: 'b' }) }], ports: [{ port: 8080 }] }],
      }),
      policy('shop/from-a', {
        podSelector: matching({ app: 'b' }),
        ingress: [{ from: [{ podSelector: matching({ app: 'a' }) }] }],
      }),
    );
    const tcp = (address: string, timeoutMs?: number) => lab.lab.a.tcp(address, 80, timeoutMs);
    assert.equal((await tcp('10.96.0.10')).answer, `b sees ${A}`);
    assert.equal((await tcp('10.96.0.11', DROPPED_MS)).error, 'TIMEOUT', 'its endpoint is not admitted');
    assert.match((await tcp('10.96.0.12')).answer ?? '', /^a sees/, 'a pod to itself through its Service');
    const open = await lab.lab.a.open('10.96.0.10', 80);
    await lab.set(policy('shop/deny', { policyTypes: ['Egress'] }));
    assert.ok((await lab.cut()) >= 1);
    assert.equal((await open.again()).error, 'ECONNRESET', 'a translated connection is cut too');
  });

  test('what was deleted, flushed or added by others is found and mended', async () => {
    await lab.set(policy('shop/deny', {}));
    await dropped('b', A);
    for (const [command, wrong] of [
      ['flush ruleset', /the table was gone/],
      ['flush chain ip knit-policy to-pod', /rules were changed/],
      ['insert rule ip knit-policy forward accept', /rules were changed/],
      ['flush set ip knit-policy known', /elements were changed/],
      [`add element ip knit-policy known { 10.244.1.77 }`, /elements were changed/],
    ] as const) {
      await lab.inNode('nft', command);
      assert.match((await lab.audit()) ?? '', wrong, command);
      assert.equal(await lab.audit(), undefined, command);
    }
    await dropped('b', A);
  });

  test('a process that starts again leaves a right table alone, and foreign tables always', async () => {
    await lab.inNode('nft', 'add table ip foreign { chain x { accept; }; }');
    const listing = () => lab.inNode('nft', '-a', 'list', 'ruleset');
    const before = await listing();
    await lab.restart();
    assert.equal(await listing(), before);
    await lab.inNode('nft', 'delete table ip knit-policy');
    await lab.audit();
    assert.match(await listing(), /table ip foreign/);
  });
});
