import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pod, Service } from '../../src/api/types.ts';
import { kernelFacts } from '../../src/cluster/kernel-facts.ts';
import { proxySource } from '../../src/cluster/overlay.ts';
import { adminClient } from '../../src/cluster/ready.ts';
import { processesIn } from '../../src/kernel/cgroup.ts';
import { run, tryRun } from '../../src/kernel/run.ts';
import { catalogue, type FaultCode } from '../../src/trace/explain/catalogue.ts';
import { type ExplainQuestion, explain } from '../../src/trace/explain/explain.ts';
import { clientSource, Facts } from '../../src/trace/explain/facts.ts';
import { type Explanation, idOf, roots } from '../../src/trace/explain/model.ts';
import { eventually, startCluster, type TestCluster } from '../support/cluster.ts';
import { certificates } from './certificates.ts';
import { base, faults, guarded, type Injected, pod, policy, service } from './faults.ts';
import { gatewayFaults } from './gateway-faults.ts';

const name = 't-explain';
const proven = new Set<FaultCode>();

describe('knit explain on a live cluster', () => {
  let cluster: TestCluster;
  let admin: ReturnType<typeof adminClient>;
  let all: readonly Injected[] = [];

  before(async () => {
    cluster = await startCluster(name, ['--gateway-api']);
    admin = adminClient(cluster.config);
    const podCIDR = await cluster.kubectl(['get', 'node', 'node-2', '-o', 'jsonpath={.spec.podCIDR}']);
    const made = await certificates();
    all = [...faults(podCIDR.replace(/\.0\/\d+$/, '.250'), made), ...gatewayFaults(made)];
    await cluster.apply(...base);
    await cluster.apply(...all.flatMap(({ objects }) => objects));
    await cluster.kubectl([
      'wait',
      '--for=condition=Ready',
      '-n',
      'base',
      'pod/web',
      'pod/asker',
      'pod/far',
      '--timeout=110s',
    ]);
    await cluster.kubectl(['delete', '-n', 'base', 'pod', 'leaving', '--wait=false']);
  });
  after(async () => {
    await admin?.close();
    await cluster?.down();
  });

  const ask = (question: Omit<ExplainQuestion, 'from'> & { from?: string }): Promise<Explanation> => {
    const { clients, nodes } = cluster.config;
    return explain(
      new Facts(clientSource(admin.client), undefined, proxySource(cluster.config)),
      {
        from: 'pod/base/asker',
        clients: Object.fromEntries(clients.map((each) => [each.name, each.address])),
        outsideAddresses: Object.fromEntries(nodes.map((each) => [each.name, each.outsideAddress])),
        ...question,
      },
      kernelFacts(cluster.config),
    );
  };

  const rootCodes = ({ findings }: Explanation) => [...new Set(roots(findings).map(({ code }) => code))].join(' ');

  /** Waits until the fault shows, and is the only root. */
  async function expectRoot({
    root,
    follows,
    ask: question,
  }: Pick<Injected, 'root' | 'follows' | 'ask'>): Promise<void> {
    let last = '';
    await eventually(`${root} to be named`, async () => {
      const found = await ask(question);
      last = `${found.verdict}: ${rootCodes(found)}; ${found.checks.map(({ text }) => text).join(' | ')}`;
      if (found.verdict !== 'denied' || rootCodes(found) !== root) return false;
      const ids = roots(found.findings).map(idOf);
      const follower = found.findings.find(({ code }) => code === follows);
      last += `; ${follows} follows from ${follower?.causedBy}`;
      return !follows || follower?.causedBy.some((id) => ids.includes(id));
    }).catch((error: unknown) => {
      throw new Error(`${root}: explain says ${last}`, { cause: error });
    });
    if (follows) proven.add(follows);
    proven.add(root);
  }

  /** The fault is the only root, and hits some of what is sent only. */
  async function expectPartly(code: FaultCode, question: Injected['ask']): Promise<void> {
    await eventually(`${code} to be named`, async () => {
      const found = await ask(question);
      return found.verdict === 'allowed' && rootCodes(found) === code;
    });
    proven.add(code);
  }

  test('says that what works is allowed', async () => {
    for (const to of [
      'service/base/web',
      'web',
      'web.base.svc.cluster.local:80',
      'pod/base/web:8080',
      'http://web.base.svc.cluster.local/',
    ]) {
      // A pod without a probe is ready before it listens, and the kernel's rules follow a moment later.
      await eventually(`${to} to be allowed`, async () => {
        const answer = await ask({ to });
        assert.deepEqual([answer.verdict, rootCodes(answer)], ['allowed', '']);
        return true;
      });
    }
  });

  test('names each of many faults as the root, and no other', async () => {
    for (const fault of all) await expectRoot(fault);
  });

  test('names two independent faults both', async () => {
    await cluster.apply(
      pod('twice', { container: { readinessProbe: { exec: { command: ['false'] } } } }),
      service('twice', { ports: [{ port: 80, targetPort: 'htpp' }] }),
    );
    await eventually('both', async () => {
      const codes = rootCodes(await ask({ to: 'service/base/twice' }));
      return codes === 'POD_NOT_READY SVC_TARGET_PORT_UNNAMED';
    });
  });

  test('agrees with a trace of the same question', async () => {
    for (const { ask: question, trace } of all) {
      if (!trace) continue;
      const protocol = question.protocol ? ['--protocol', question.protocol] : [];
      const drawn = await cluster.knit(['trace', question.from ?? 'pod/base/asker', question.to, ...protocol]);
      assert.match(drawn, trace);
    }
  });

  describe('knows whom the pods behind the proxy must let in', () => {
    const byNodePorts = 'http://guarded.example/';
    const straight = 'http://guarded.gw.example/';
    const from = 'client/alice';
    const asking = (to: string) => ask({ from, to });

    /** What a client gets. */
    const statusOf = async (url: string) => {
      const path = ['get', '-n', 'base', 'gateway', 'main', '-o', 'jsonpath={.status.addresses[0].value}'];
      const address = url === straight ? await cluster.kubectl(path) : cluster.config.addresses.ingress;
      const curl = ['curl', '-s', '-m', '60', '-o', '/dev/null', '-w', '%{http_code}'];
      return (await cluster.knit(['exec', from, '--', ...curl, '--connect-to', `::${address}:80`, url])).trim();
    };
    const wantedBy = ({ findings: [found] }: Explanation) =>
      [...(found?.mend.matchAll(/ipBlock ([^, ]+)/g) ?? [])].flatMap(([, cidr]) => cidr ?? []);
    const letIn = (cidrs: readonly string[]) => {
      const ingress = [{ from: cidrs.map((cidr) => ({ ipBlock: { cidr } })) }];
      return cluster.apply(policy('let-in', 'base', { podSelector: guarded, ingress }));
    };
    /** Of the nodes whose ports lead the proxy to the pod. */
    const openNodes = async () => {
      const { spec } = await cluster.get<Service>('service', '-n', 'base', 'guarded');
      const curl = ['curl', '-s', '-m', '2', '-o', '/dev/null', '--interface', cluster.config.addresses.ingress];
      const open = cluster.config.nodes.map(async ({ name: node, address }) => {
        const url = `http://${address}:${spec?.ports?.[0]?.nodePort}/`;
        const { code } = await tryRun('ip', ['netns', 'exec', `knit-${name}.edge.ingress`, ...curl, url]);
        return code === 0 ? [node] : [];
      });
      return (await Promise.all(open)).flat().join();
    };

    test('closed to it, requests fail, and the command says so', async () => {
      // The proxy tries for a while.
      assert.deepEqual(await Promise.all([byNodePorts, straight].map(statusOf)), ['503', '503']);
      for (const url of [byNodePorts, straight]) {
        const { code, stdout } = await cluster.tryKnit(['explain', from, url]);
        assert.deepEqual([code, stdout.includes('denied   NET_POLICY_INGRESS_DENIED')], [2, true], stdout);
      }
      assert.equal(await openNodes(), '');
    });

    test('open to the proxy’s own address, requests are answered that come straight or by the pod’s own node', async () => {
      const wanted = wantedBy(await asking(straight));
      assert.deepEqual(wanted, [`${cluster.config.addresses.ingress}/32`]);
      const byNodes = wantedBy(await asking(byNodePorts));
      await letIn(wanted);
      await eventually('an answer', async () => (await statusOf(straight)) === '200');
      assert.equal((await asking(straight)).verdict, 'allowed');
      await expectPartly('NET_POLICY_INGRESS_DENIED', { from, to: byNodePorts });
      assert.equal(await openNodes(), 'node-2');

      await letIn(byNodes);
      await eventually('every node to lead there', async () => (await openNodes()) === 'node-1,node-2,node-3');
      const { verdict, findings } = await asking(byNodePorts);
      assert.deepEqual([verdict, findings], ['allowed', []]);
      for (const url of [byNodePorts, straight]) assert.equal(await statusOf(url), '200');
    });
  });

  describe('sees what is wrong in the kernel', () => {
    const inNode = (node: string, ...command: string[]) =>
      run('nsenter', [`--net=/run/netns/knit-${name}.${node}`, ...command]);
    const toFar = { to: 'service/base/far' };
    const far = (node: string) => [pod('far', { spec: { nodeName: node } }), service('far')];

    before(() => cluster.apply(...far('node-2')));

    test('forwarding that is off', async () => {
      await inNode('node-2', 'sysctl', '-qw', 'net.ipv4.ip_forward=0');
      await expectRoot({ root: 'NODE_FORWARDING_OFF', ask: toFar });
      await inNode('node-2', 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    });

    test('rules of somebody else', async () => {
      await inNode(
        'node-2',
        'nft',
        'add table inet other; add chain inet other f { type filter hook forward priority 0; }',
      );
      await inNode('node-2', 'nft', 'add rule inet other f tcp dport 8080 drop');
      await expectRoot({ root: 'KERNEL_FOREIGN_DROP', ask: toFar });
      await inNode('node-2', 'nft', 'delete table inet other');
    });

    test('a route that is gone', async () => {
      const cidr = (await cluster.kubectl(['get', 'node', 'node-2', '-o', 'jsonpath={.spec.podCIDR}'])).trim();
      const route = (await run('ip', ['-n', `knit-${name}.fabric`, 'route', 'show', cidr])).trim();
      await run('ip', ['-n', `knit-${name}.fabric`, 'route', 'del', cidr]);
      await expectRoot({ root: 'NODE_ROUTE_MISSING', ask: toFar });
      await run('ip', ['-n', `knit-${name}.fabric`, 'route', 'add', ...route.split(/\s+/)]);
    });

    test('a link that is down', async () => {
      const podIP = (
        await cluster.kubectl(['get', '-n', 'base', 'pod', 'far', '-o', 'jsonpath={.status.podIP}'])
      ).trim();
      const [, link = ''] = /dev (\S+)/.exec(await inNode('node-2', 'ip', 'route', 'get', podIP)) ?? [];
      await inNode('node-2', 'ip', 'link', 'set', link, 'down');
      await expectRoot({ root: 'KERNEL_POD_LINK_DOWN', ask: toFar });
      await inNode('node-2', 'ip', 'link', 'set', link, 'up');
      await inNode('node-2', 'ip', 'route', 'replace', podIP, 'dev', link);
    });

    test('a client that session affinity keeps at the endpoint that does not answer', async () => {
      const labels = { app: 'sticky' };
      const elsewhere = { env: [{ name: 'PORT', value: '8081' }] };
      await cluster.apply(
        service('sticky', { sessionAffinity: 'ClientIP' }),
        pod('deaf', { labels, container: elsewhere }),
      );
      const { status } = await cluster.get<Pod>('pod', '-n', 'base', 'asker');
      const { spec } = await cluster.get<Service>('service', '-n', 'base', 'sticky');
      const to = { address: spec?.clusterIP ?? '', protocol: 'tcp', port: 80 } as const;
      const kernel = kernelFacts(cluster.config);
      await eventually('the client to be led to it', async () => {
        await cluster.tryKnit(['exec', 'pod/base/asker', '--', 'curl', '-s', `http://${to.address}/`]);
        return (await kernel.pinnedTo('node-1', status?.podIP ?? '', to)) !== undefined;
      });
      await cluster.apply(pod('hears', { labels }));
      await expectRoot({
        root: 'SVC_TARGET_PORT_CLOSED',
        follows: 'SVC_AFFINITY_PINNED',
        ask: { to: 'service/base/sticky' },
      });
      const other = async () => (await ask({ from: 'node/node-1', to: 'service/base/sticky' })).verdict === 'allowed';
      await eventually('nobody to keep another client', other);
    });

    test('a socket that conntrack leads to a pod that has gone', async () => {
      const echo = { selector: { app: 'web' }, ports: [{ port: 9000, protocol: 'UDP' }] };
      await cluster.apply(service('echo', echo));
      const { spec, status } = await cluster.get<Pod>('pod', '-n', 'base', 'asker');
      const { spec: to } = await cluster.get<Service>('service', '-n', 'base', 'echo');
      const gone = (status?.podIP ?? '').replace(/\d+$/, '250');
      const flow = { source: status?.podIP ?? '', address: to?.clusterIP ?? '', gone, sourcePort: 40_000 };
      const add = ['-s', flow.source, '-d', flow.address, '--sport', '40000', '--dport', '9000', '-t', '600'];
      const back = ['--reply-src', gone, '--reply-dst', flow.source, '--reply-port-src', '9000'];
      await inNode(spec?.nodeName ?? '', 'conntrack', '-I', '-p', 'udp', ...add, ...back, '--reply-port-dst', '40000');
      await expectPartly('KERNEL_CONNTRACK_STALE', { to: 'service/base/echo', protocol: 'udp' });
      const answer = await ask({ to: 'service/base/echo', protocol: 'udp' });
      assert.match(answer.findings[0]?.message ?? '', new RegExp(`from port 40000 to ${gone.replaceAll('.', '\\.')}`));
      const forget = /knit exec node\/\S+ -- (.*)$/.exec(answer.findings[0]?.mend ?? '')?.[1]?.split(' ') ?? [];
      await inNode(spec?.nodeName ?? '', ...forget);
      assert.equal(rootCodes(await ask({ to: 'service/base/echo', protocol: 'udp' })), '');
    });

    test('a link between nodes that is too narrow for what pods send', async () => {
      await inNode('node-2', 'ip', 'link', 'set', 'eth0', 'mtu', '1400');
      await expectPartly('NODE_MTU_TOO_LARGE', { from: 'node/node-1', ...toFar });
      await inNode('node-2', 'ip', 'link', 'set', 'eth0', 'mtu', '1500');
    });

    test('rules that nobody restores while the agent hangs, and restores when it goes on', async () => {
      const agent = processesIn(`knit/${name}/nodes/node-1/system`);
      for (const pid of agent) process.kill(pid, 'SIGSTOP');
      try {
        await inNode('node-1', 'nft', 'delete', 'table', 'ip', 'knit');
        await expectRoot({ root: 'AGENT_DOWN', follows: 'KERNEL_RULES_MISSING', ask: toFar });
        await inNode('node-1', 'nft', 'delete', 'table', 'ip', 'knit-egress');
        await expectRoot({ root: 'AGENT_DOWN', follows: 'KERNEL_MASQUERADE_MISSING', ask: { to: '192.0.2.1:80' } });
      } finally {
        for (const pid of agent.toReversed()) process.kill(pid, 'SIGCONT');
      }
      await eventually('all is well again', async () => (await ask(toFar)).verdict === 'allowed');
    });
  });

  describe('sees what all of the cluster leans on', () => {
    test('nodes that serve no load balancer', async () => {
      await cluster.apply(service('balanced', { type: 'LoadBalancer', selector: { app: 'web' } }));
      const from = 'client/alice';
      await eventually(
        'the balanced Service',
        async () => (await ask({ from, to: 'service/base/balanced' })).verdict === 'allowed',
      );
      const label = 'node.kubernetes.io/exclude-from-external-load-balancers';
      await cluster.kubectl(['label', 'nodes', '--all', `${label}=true`]);
      await expectRoot({ root: 'LB_NO_NODE', ask: { from, to: 'service/base/balanced' } });
      await cluster.kubectl(['label', 'nodes', '--all', `${label}-`]);
    });

    test('DNS whose pods do not start, then DNS whose Service is gone', async () => {
      const image = {
        spec: {
          strategy: { type: 'Recreate', rollingUpdate: null },
          template: { spec: { containers: [{ name: 'dns', image: 'knit.invalid/none:1' }] } },
        },
      };
      await cluster.kubectl(['patch', '-n', 'kube-system', 'deployment', 'knit-dns', '-p', JSON.stringify(image)]);
      await expectRoot({ root: 'POD_IMAGE_PULL', follows: 'DNS_DOWN', ask: { to: 'web' } });
      await cluster.kubectl(['delete', '-n', 'kube-system', 'service', 'kube-dns']);
      await expectRoot({ root: 'DNS_SERVICE_MISSING', ask: { to: 'web' } });
    });

    test('a node that is gone', async () => {
      await cluster.apply(pod('lost', { spec: { nodeName: 'node-3' } }), service('lost'));
      await cluster.kubectl(['wait', '--for=condition=Ready', '-n', 'base', 'pod/lost', '--timeout=110s']);
      await cluster.knit(['node', 'stop', 'node-3']);
      await expectRoot({ root: 'NODE_NOT_READY', ask: { to: 'service/base/lost' } });
    });
  });

  test('has shown every fault that can be made here', () => {
    // No live node stays without one: the API server gives it a moment later.
    const unmade = new Set<FaultCode>(['NODE_NO_POD_CIDR']);
    const missing = Object.keys(catalogue).filter(
      (code) => !proven.has(code as FaultCode) && !unmade.has(code as FaultCode),
    );
    assert.deepEqual(missing, []);
    assert.ok(proven.size >= 40, `${proven.size} faults`);
  });
});
