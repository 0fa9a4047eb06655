import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createLog } from '../../base/log.ts';
import { type Iptables, openIptables } from '../../kernel/iptables.ts';
import { deleteNetns } from '../../kernel/netns.ts';
import { run } from '../../kernel/run.ts';
import type { Backend } from '../backend.ts';
import { planServices } from '../services.ts';
import { labPods, node1, service, slice } from '../testing/objects.ts';
import { iptablesBackend } from './backend.ts';
import { chainName } from './names.ts';

const { a, b } = labPods;

describe('the chains in the kernel', { timeout: 300_000 }, () => {
  const space = `knit-t-iptables-${process.pid}`;
  const log = createLog('test', () => undefined);
  const inside = (...words: string[]) => run('ip', ['netns', 'exec', space, ...words]);
  let iptables: Iptables;
  let backend: Backend;

  before(async () => {
    await run('ip', ['netns', 'add', space]);
    iptables = openIptables({ enter: ['ip', 'netns', 'exec', space] });
  });
  beforeEach(async () => {
    await inside('nft', 'flush', 'ruleset');
    backend = iptablesBackend({ iptables, log });
  });
  after(() => deleteNetns(space));

  const web = service('web', '10.96.0.10');
  const planOf = (...endpoints: (typeof a)[]) => planServices([web], [slice('web', endpoints)], node1);

  test('IPv6 has the same chains, and they compare equal with what was written', async () => {
    const node = {
      ...node1,
      addresses: [...node1.addresses, 'fd00:89::11'],
      clusterCIDRs: ['10.244.0.0/16', 'fd00:1::/48'],
    };
    const six = (...addresses: string[]) => ({
      ...slice(
        'web',
        addresses.map((address) => ({ addresses: [address], nodeName: 'node1' })),
      ),
      addressType: 'IPv6',
    });
    const dual = service('web', '10.96.0.10', {
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.10', 'fd00:96::10'],
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
      loadBalancerSourceRanges: ['2001:db8::/32', 'fd00:89::11/128'],
      ports: [{ port: 80, nodePort: 30_080 }],
    });
    dual.status = { loadBalancer: { ingress: [{ ip: '2001:DB8:0::10' }] } };
    await backend.load(planServices([dual], [six('fd00:1::2', 'fd00:1::3')], node), node);
    assert.equal(await backend.audit(), undefined);
    await backend.update(planServices([dual], [six('fd00:1::2', 'fd00:1::4')], node));
    assert.equal(await backend.audit(), undefined);
    await backend.update(planServices([dual], [six()], node));
    assert.equal(await backend.audit(), undefined);
    await backend.cleanup();
    assert.doesNotMatch(await inside('ip6tables-save'), /KUBE/);
    assert.doesNotMatch(await inside('iptables-save'), /KUBE/);
  });

  test('several cluster CIDRs, and SCTP, compare equal too', async () => {
    const node = { ...node1, clusterCIDRs: ['10.244.0.0/16', '10.245.0.0/16'] };
    const sctp = service('sctp', '10.96.0.11', { ports: [{ port: 80, protocol: 'SCTP' }] });
    const endpoints = { ...slice('sctp', [a, b]), ports: [{ name: '', port: 80, protocol: 'SCTP' }] };
    await backend.load(planServices([web, sctp], [slice('web', [a]), endpoints], node), node);
    assert.equal(await backend.audit(), undefined);
    assert.match(await inside('iptables-save', '-t', 'nat'), /-A KUBE-MARK-OUTSIDE -s 10.245.0.0\/16 -j RETURN/);
    await backend.setNode(node1);
    assert.equal(await backend.audit(), undefined);
    assert.doesNotMatch(await inside('iptables-save', '-t', 'nat'), /KUBE-MARK-OUTSIDE/);
  });

  test("others' chains and rules stay, also one that leads to a chain which goes", async () => {
    const stale = chainName('SVC', 'shop/gone', 'tcp');
    const others = ['-A DOCKER -j RETURN', `-A DOCKER -d 10.96.9.9/32 -j ${stale}`, '-A PREROUTING -j DOCKER'];
    await iptables.restore(
      'ipv4',
      `*nat\n:DOCKER - [0:0]\n:${stale} - [0:0]\n${others.join('\n')}\n-A ${stale} -j RETURN\nCOMMIT\n`,
    );
    await backend.load(planOf(a), node1);
    assert.equal(await backend.audit(), undefined);
    const saved = await inside('iptables-save', '-t', 'nat');
    for (const rule of others) assert.ok(saved.includes(rule), rule);
    assert.ok(!saved.includes(`-A ${stale}`), 'emptied, since it cannot go');
    await backend.cleanup();
    const left = await inside('iptables-save', '-t', 'nat');
    assert.doesNotMatch(left, /KUBE/);
    assert.match(left, /-A PREROUTING -j DOCKER\n-A DOCKER -j RETURN/);
  });

  test('a jump that stands twice, or otherwise, stands once again', async () => {
    await backend.load(planOf(a), node1);
    const jump = ['PREROUTING', '-m', 'comment', '--comment', 'kubernetes service portals', '-j', 'KUBE-SERVICES'];
    await inside('iptables', '-t', 'nat', '-A', ...jump);
    await inside('iptables', '-t', 'nat', '-I', 'PREROUTING', '-p', 'tcp', '-j', 'KUBE-SERVICES');
    assert.match((await backend.audit()) ?? '', /-D PREROUTING/);
    const saved = await inside('iptables-save', '-t', 'nat');
    assert.equal(saved.match(/-A PREROUTING .*KUBE-SERVICES/g)?.length, 1);
  });

  test('a change is made although somebody deleted the chains meanwhile', async () => {
    await backend.load(planOf(a), node1);
    await inside('nft', 'flush', 'ruleset');
    await backend.update(planOf(a, b));
    assert.equal(await backend.audit(), undefined);
  });

  test('500 Services of 5 endpoints go into the kernel in pieces', async () => {
    const services = Array.from({ length: 500 }, (_, index) =>
      service(`s${index}`, `10.96.${1 + (index >> 8)}.${index & 255}`),
    );
    const endpoints = Array.from({ length: 5 }, (_, index) => ({ addresses: [`10.244.1.${10 + index}`] }));
    const plan = planServices(
      services,
      services.map((each) => slice(each.metadata?.name ?? '', endpoints)),
      node1,
    );
    await backend.load(plan, node1);
    assert.equal(await backend.audit(), undefined);
    await backend.update(new Map([...plan.keys()].map((key) => [key, undefined])));
    assert.equal(await backend.audit(), undefined);
    assert.doesNotMatch(await inside('iptables-save', '-t', 'nat'), /KUBE-SEP/);
  });
});
