import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pod } from '../src/api/types.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';

const IMAGE = 'knit.dev/lab:1';

describe('NetworkPolicies on a live cluster', () => {
  let cluster: TestCluster;
  let webIP: string;

  before(async () => {
    cluster = await startCluster('t-policy', ['--nodes', '2']);
    await cluster.apply(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ops', labels: { team: 'ops' } } },
      pod('shop/web', 'node-1', {
        readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1, timeoutSeconds: 20 },
      }),
      pod('shop/friend', 'node-2'),
      pod('shop/stranger', 'node-1'),
      pod('ops/monitor', 'node-2'),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web', namespace: 'shop' },
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
      },
    );
    await Promise.all(
      ['shop', 'ops'].map((namespace) =>
        cluster.kubectl(['wait', '-n', namespace, '--for=condition=Ready', 'pod', '--all', '--timeout=110s']),
      ),
    );
    webIP = (await cluster.get<Pod>('pod', '-n', 'shop', 'web')).status?.podIP ?? '';
  });
  after(() => cluster?.down());

  const tables = (node: string) => cluster.knit(['exec', `node/${node}`, '--', 'nft', 'list', 'tables']);
  const reaches = async (from: string, url = 'http://web.shop.svc.cluster.local/') => {
    const [namespace = '', name = ''] = from.split('/');
    const command = ['exec', `pod/${namespace}/${name}`, '--', 'curl', '-sf', '-m', '1', url];
    return await cluster.knit(command).then(
      () => true,
      () => false,
    );
  };
  const opens = (from: string, url?: string) => eventually(`${from} to reach it`, () => reaches(from, url));
  const closes = (from: string, url?: string) =>
    eventually(`${from} to be shut out`, async () => !(await reaches(from, url)));

  test('without a policy there is no table', async () => {
    assert.doesNotMatch(await tables('node-1'), /knit-policy/);
    await opens('shop/friend');
    await opens('shop/stranger');
  });

  test('deny all: pods are shut out, the kubelet is not', async () => {
    await cluster.apply(policy('deny-all', { podSelector: {}, policyTypes: ['Ingress'] }));
    await Promise.all([closes('shop/friend'), closes('shop/stranger'), closes('ops/monitor')]);
    const fromItsNode = ['exec', 'node/node-1', '--', 'curl', '-sf', '-m', '20', `http://${webIP}:8080/`];
    assert.match(await cluster.knit(fromItsNode), /^pod/);
    const { status } = await cluster.get<Pod>('pod', '-n', 'shop', 'web');
    assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
    assert.equal(status?.containerStatuses?.[0]?.restartCount, 0);
  });

  test('one that admits some pods, another namespace, on a named port, through the Service', async () => {
    await cluster.apply(
      policy('web', {
        podSelector: { matchLabels: { app: 'web' } },
        ingress: [
          {
            from: [
              { podSelector: { matchLabels: { app: 'friend' } } },
              { namespaceSelector: { matchLabels: { team: 'ops' } } },
            ],
            ports: [{ port: 'http' }],
          },
        ],
      }),
    );
    await Promise.all([opens('shop/friend'), opens('ops/monitor')]);
    assert.equal(await reaches('shop/stranger'), false);
  });

  test('labels that change on a namespace or a pod', async () => {
    await cluster.kubectl(['label', 'namespace', 'ops', 'team=other', '--overwrite']);
    await cluster.kubectl(['label', 'pod', '-n', 'shop', 'stranger', 'app=friend', '--overwrite']);
    await Promise.all([closes('ops/monitor'), opens('shop/stranger')]);
    await cluster.kubectl(['label', 'pod', '-n', 'shop', 'stranger', 'app=stranger', '--overwrite']);
    await closes('shop/stranger');
  });

  test('a connection ends when its policy does', async () => {
    const flows = () =>
      cluster.knit([
        'exec',
        'node/node-1',
        '--',
        'conntrack',
        '-L',
        '-p',
        'tcp',
        '--state',
        'ESTABLISHED',
        '--orig-port-dst',
        '8080',
      ]);
    const friendIP = (await cluster.get<Pod>('pod', '-n', 'shop', 'friend')).status?.podIP ?? '';
    const end = new AbortController();
    const held = cluster.tryKubectl(
      ['exec', '-n', 'shop', 'friend', '--', 'sh', '-c', `sleep 600 | nc ${webIP} 8080`],
      {
        signal: end.signal,
      },
    );
    const ended = held.catch((error: unknown) => assert.ok(end.signal.aborted, String(error)));
    await eventually('the connection', async () => (await flows()).includes(`src=${friendIP}`));
    await cluster.kubectl(['delete', 'networkpolicy', '-n', 'shop', 'web']);
    await eventually('the connection to be cut', async () => !(await flows()).includes(`src=${friendIP}`));
    end.abort();
    await ended;
  });

  test('egress to DNS only: names resolve, nothing else is reached', async () => {
    await cluster.apply(
      policy('dns-only', {
        podSelector: { matchLabels: { app: 'friend' } },
        policyTypes: ['Egress'],
        egress: [
          {
            to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }],
            ports: [
              { protocol: 'UDP', port: 53 },
              { protocol: 'TCP', port: 53 },
            ],
          },
        ],
      }),
    );
    const monitorIP = (await cluster.get<Pod>('pod', '-n', 'ops', 'monitor')).status?.podIP ?? '';
    await closes('shop/friend', `http://${monitorIP}:8080/`);
    const answer = await cluster.kubectl([
      'exec',
      '-n',
      'shop',
      'friend',
      '--',
      'nslookup',
      'web.shop.svc.cluster.local',
    ]);
    assert.match(answer, /10\.\d+\.\d+\.\d+/);
  });

  test('a policy holds before the first moment of a pod, and what it admits works from then on', async () => {
    await cluster.apply(
      policy('early', { podSelector: { matchLabels: { app: 'early' } }, policyTypes: ['Egress'], egress: [] }),
      policy('web', { podSelector: { matchLabels: { app: 'web' } }, ingress: [{}] }),
    );
    await opens('shop/stranger');
    const first = (name: string, waitSeconds: number) => ({
      ...pod(`shop/${name}`, 'node-1'),
      spec: {
        nodeName: 'node-1',
        restartPolicy: 'Never',
        containers: [
          {
            name: 'main',
            image: IMAGE,
            command: [
              'sh',
              '-c',
              `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w ${waitSeconds} ${webIP} 8080 2>/dev/null | grep -q '^pod' && echo open || echo closed
grep ^Tcp: /proc/net/snmp | sed -n '2p' | cut -d ' ' -f 13`,
            ],
          },
        ],
      },
    });
    await cluster.apply(first('early', 1), first('late', 60));
    const logs = async (name: string) => {
      await cluster.kubectl([
        'wait',
        '-n',
        'shop',
        `--for=jsonpath={.status.phase}=Succeeded`,
        `pod/${name}`,
        '--timeout=110s',
      ]);
      return (await cluster.kubectl(['logs', '-n', 'shop', name])).trim();
    };
    assert.match(await logs('early'), /^closed/);
    // The last number is that of segments that were sent again: not even the first SYN was lost.
    assert.equal(await logs('late'), 'open\n0');
  });

  test('the rules come back after somebody flushed them', async () => {
    await cluster.knit(['exec', 'node/node-1', '--', 'nft', 'flush', 'ruleset']);
    await eventually('the table', async () => (await tables('node-1')).includes('ip knit-policy'));
  });

  test('with the last policy its table goes', async () => {
    await cluster.kubectl(['delete', 'networkpolicy', '-n', 'shop', '--all']);
    for (const node of ['node-1', 'node-2']) {
      await eventually(`no table on ${node}`, async () => !(await tables(node)).includes('knit-policy'));
    }
    await opens('shop/friend');
  });
});

function pod(key: string, nodeName: string, container: object = {}): object {
  const [namespace, name] = key.split('/');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { app: name } },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: IMAGE, ports: [{ name: 'http', containerPort: 8080 }], ...container }],
    },
  };
}

function policy(name: string, spec: object): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: 'shop' }, spec };
}
