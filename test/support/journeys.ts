import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pod, Service } from '../../src/api/types.ts';
import { eventually, startCluster, type TestCluster } from './cluster.ts';
import { tellClients } from './outside.ts';
import { changesOf, clientInAnswer, sourceOf, storyOf, traceOf, wayOf } from './tracing.ts';

const IMAGE = 'knit.dev/lab:1';

/** The journeys of a packet on one cluster, each traced and held against what the server says that it saw. */
export function journeys(mode: 'nftables' | 'iptables', more?: (cluster: () => TestCluster) => void): void {
  describe(`journeys of a packet, proxy mode ${mode}`, () => {
    let cluster: TestCluster;
    let ip: Record<string, string>;
    let web: Service;
    let balanced: Service;
    let kept: Service;

    before(async () => {
      cluster = await startCluster(`t-trace-${mode.slice(0, 3)}`, [
        ...['--proxy-mode', mode, '--ip-family', 'dual', '--uplink', 'none'],
      ]);
      await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
      await eventually('the service account', () => cluster.get('serviceaccount', '-n', 'shop', 'default'));
      await cluster.apply(
        pod('cart', 'node-1'),
        pod('near', 'node-1', { app: 'near' }),
        pod('web-1', 'node-2', { app: 'web' }),
        pod('web-2', 'node-3', { app: 'web' }),
        pair(),
        service('web', { type: 'NodePort' }),
        service('balanced', { type: 'LoadBalancer' }),
        service('kept', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }),
        service('both', { type: 'LoadBalancer', ipFamilyPolicy: 'RequireDualStack' }),
        service('nobody', { selector: { app: 'nobody' } }),
      );
      await cluster.kubectl(['wait', '-n', 'shop', '--for=condition=Ready', 'pod', '--all', '--timeout=110s']);
      const pods = await cluster.get<{ items: Pod[] }>('pods', '-n', 'shop');
      ip = Object.fromEntries(pods.items.map(({ metadata, status }) => [metadata?.name ?? '', status?.podIP ?? '']));
      const ready = (name: string) =>
        eventually(`endpoints of ${name}`, async () => {
          const found = await cluster.get<Service>('service', '-n', 'shop', name);
          const slices = await cluster.get<{ items: { endpoints?: unknown[] }[] }>(
            'endpointslices',
            '-n',
            'shop',
            '-l',
            `kubernetes.io/service-name=${name}`,
          );
          const families = found.spec?.ipFamilies?.length ?? 1;
          const isReady = slices.items.flatMap(({ endpoints }) => endpoints ?? []).length === 2 * families;
          const isBalanced = found.status?.loadBalancer?.ingress?.length === families;
          return isReady && (found.spec?.type !== 'LoadBalancer' || isBalanced) && found;
        });
      [web, balanced, kept] = (await Promise.all(['web', 'balanced', 'kept', 'both'].map(ready))) as [
        Service,
        Service,
        Service,
      ];
    });
    after(() => cluster?.down());

    test('1: container to container, over the loopback that they share', async () => {
      const story = await storyOf(cluster, 'pod/shop/pair/one', 'localhost:8081');
      assert.equal(wayOf(story.request), 'pod shop/pair');
      assert.equal(story.request[0]?.in?.interface, 'lo');
      assert.equal(story.end.kind, 'delivered');
    });

    test('2: pod to pod on one node', async () => {
      const story = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/near');
      assert.equal(wayOf(story.request), 'pod shop/cart > node-1 > pod shop/near');
      assert.equal(wayOf(story.reply), 'pod shop/near > node-1 > pod shop/cart');
      assert.equal(clientInAnswer(story), sourceOf(story.packet));
    });

    test('3: pod to pod on another node, by routes and without NAT', async () => {
      const story = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/web-1');
      assert.equal(wayOf(story.request), 'pod shop/cart > node-1 > fabric > node-2 > pod shop/web-1');
      assert.deepEqual(changesOf([...story.request, ...story.reply]), []);
      assert.equal(clientInAnswer(story), sourceOf(story.packet));
    });

    test('5: pod to a Service’s virtual address: DNAT on its node, and turned back there', async () => {
      const story = await storyOf(cluster, 'pod/shop/cart', 'service/shop/web');
      const [dnat] = story.request[1]?.events ?? [];
      assert.ok(dnat?.kind === 'dnat');
      assert.equal(dnat.before.destination, web.spec?.clusterIP);
      assert.equal(dnat.cause?.object, 'Service shop/web:http');
      assert.match(dnat.cause?.text ?? '', /^endpoint [12] of 2: web-[12] \(node-[23]\)$/);
      assert.ok([ip['web-1'], ip['web-2']].includes(dnat.after.destination));
      assert.deepEqual(changesOf(story.reply), [`node-1 un-nat ${web.spec?.clusterIP}:80 → ${sourceOf(story.packet)}`]);
      assert.equal(clientInAnswer(story), sourceOf(story.packet));
    });

    test('6: pod to a Service by its DNS name, with what was asked and answered', async () => {
      const { lookup, stories } = await traceOf(cluster, 'pod/shop/cart', 'web.shop');
      assert.equal(lookup?.address, web.spec?.clusterIP);
      const names = lookup?.questions.filter(({ type }) => type === 'A').map(({ name, answer }) => `${name} ${answer}`);
      assert.deepEqual(names, [
        'web.shop.shop.svc.cluster.local NXDOMAIN',
        `web.shop.svc.cluster.local ${web.spec?.clusterIP}`,
      ]);
      assert.match(wayOf(lookup?.story?.request ?? []), /^pod shop\/cart > node-1 .*> pod kube-system\/knit-dns-/);
      assert.deepEqual([...(lookup?.story?.differences ?? []), ...(stories[0]?.differences ?? [])], []);
      assert.equal(stories[0]?.end.kind, 'delivered');
    });

    describe('7: pod to the world outside', () => {
      const alice = () => cluster.config.clients[0]?.address ?? '';
      let stopServer: () => Promise<void>;
      before(async () => {
        const enter = ['nsenter', `--net=/run/netns/knit-${cluster.config.name}.client.alice`];
        stopServer = await tellClients(enter, alice());
      });
      after(() => stopServer?.());

      test('under its node’s address, which the fabric knows outside', async () => {
        const story = await storyOf(cluster, 'pod/shop/cart', `http://${alice()}:8080/`);
        assert.equal(wayOf(story.request), 'pod shop/cart > node-1 > fabric > client alice');
        const outside = cluster.config.nodes[0]?.outsideAddress ?? '';
        const { serverSaw } = story.summary;
        assert.equal(serverSaw?.address, outside);
        assert.equal(story.summary.translations, 2);
        assert.match(story.outcome?.answer ?? '', new RegExp(`you are ${outside}`));
      });

      test('without masquerade the fabric drops it, and the node is named that did not do what is planned', async () => {
        const onNode = (text: string) => cluster.knit(['exec', 'node/node-1', '--', 'nft', text]);
        const chain = '{ type filter hook prerouting priority raw; }';
        await onNode(`table ip hand { chain raw ${chain.replace(' }', ` ip daddr ${alice()} notrack; }`)}; }`);
        try {
          const { stories } = await traceFailing(cluster, 'pod/shop/cart', `${alice()}:8080`);
          const [story] = stories;
          assert.deepEqual(
            story?.differences.map(({ place }) => place),
            [{ kind: 'node', name: 'node-1' }],
          );
          assert.equal(story?.end.kind, 'dropped');
          assert.deepEqual(story?.end.place, { kind: 'fabric' });
        } finally {
          await onNode('delete table ip hand');
        }
      });
    });

    test('8: outside by a load balancer to any node: a second hop, and the client’s address lost', async () => {
      const { stories } = await traceOf(cluster, 'client/alice', 'service/shop/balanced', '--count', '10');
      assert.deepEqual(
        stories.flatMap(({ differences }) => differences),
        [],
      );
      for (const story of stories)
        assert.equal(clientInAnswer(story), `${story.summary.serverSaw?.address}:${story.summary.serverSaw?.port}`);
      const second = stories.find(({ summary }) => summary.nodes.length === 2);
      assert.ok(second, 'no connection had a second hop');
      assert.equal(second.summary.serverSaw?.isClient, false);
      const [balancing] = second.request[1]?.events ?? [];
      assert.ok(balancing?.kind === 'balanced');
      assert.match(balancing.cause.text, /^flow hash, bucket \d+ of 256 → node-[123]/);
      assert.equal(second.request[1]?.out?.packet.destination, addressOf(balanced));
    });

    test('9: outside by a load balancer to a node with a local pod: one hop, the client’s address kept', async () => {
      const story = await storyOf(cluster, 'client/alice', 'service/shop/kept');
      assert.equal(story.packet.destination, addressOf(kept));
      assert.equal(story.summary.nodes.length, 1);
      assert.equal(clientInAnswer(story), sourceOf(story.packet));
    });

    test('10: outside by an Ingress: the proxy’s own connection goes by a node port to a pod', async () => {
      const rule = { path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { name: 'http' } } } };
      await cluster.apply({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: 'shop', namespace: 'shop' },
        spec: { ingressClassName: 'knit', rules: [{ host: 'shop.example', http: { paths: [rule] } }] },
      });
      const { ingress } = cluster.config.addresses;
      const asked = ['exec', 'client/alice', '--', 'curl', '-sf', '-H', 'Host: shop.example', `http://${ingress}/`];
      await eventually('the proxy to serve it', async () => (await cluster.tryKnit(asked)).code === 0);
      for (const scheme of ['http', 'https']) {
        const story = await storyOf(cluster, 'client/alice', `${scheme}://shop.example/`);
        assert.equal(wayOf(story.request), 'client alice > fabric > ingress');
        assert.equal(story.packet.destinationPort, scheme === 'http' ? 80 : 443);
        // TLS ends at the proxy: beyond it the request can be read.
        assert.equal(story.outcome?.tls?.certificate, scheme === 'http' ? undefined : 'knit-ingress');
        const { behind } = story;
        assert.equal(behind?.cause.object, 'Ingress shop/shop');
        assert.deepEqual(behind?.story.differences, []);
        assert.match(wayOf(behind?.story.request ?? []), /^ingress > fabric > node-[123] .*> pod shop\/web-[12]$/);
        const { serverSaw } = behind?.story.summary ?? {};
        assert.equal(clientInAnswer(story), `${serverSaw?.address}:${serverSaw?.port}`);
        assert.match(story.outcome?.answer ?? '', new RegExp(`X_FORWARDED_FOR: ${story.packet.source}`));
      }
    });

    test('https to a plain Service: whose certificate answered, and what it said', async () => {
      const { stories } = await traceOf(cluster, 'pod/shop/cart', 'https://kubernetes.default/healthz');
      assert.deepEqual(stories[0]?.differences, []);
      assert.deepEqual(changesOf(stories[0]?.request ?? []).length, 1);
      const { tls, answer } = stories[0]?.outcome ?? {};
      assert.deepEqual([tls?.version, tls?.certificate], ['TLSv1.3', 'kube-apiserver']);
      assert.match(answer ?? '', /^HTTP\/1\.1 200 .*ok$/s);
    });

    test('https to a server that speaks none is told as what the program got', async () => {
      const story = await storyOf(cluster, 'pod/shop/cart', 'https://web.shop:80/');
      assert.deepEqual([story.replyIs, story.outcome?.failure], ['accepted', 'ERR_SSL_WRONG_VERSION_NUMBER']);
      assert.equal(story.outcome?.tls, undefined);
    });

    test('outside by a node port: what the server saw is what it says that it saw', async () => {
      const story = await storyOf(cluster, 'client/alice', 'service/shop/web');
      const { serverSaw } = story.summary;
      assert.equal(clientInAnswer(story), `${serverSaw?.address}:${serverSaw?.port}`);
      assert.match(changesOf(story.request).join('\n'), /^fabric dnat .*\nnode-1 dnat .*\nnode-1 snat /);
    });

    describe('in IPv6', () => {
      const family = ['--ip-family', 'ipv6'];

      test('pod to pod on another node, by routes and without NAT', async () => {
        const story = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/web-1', ...family);
        assert.equal(wayOf(story.request), 'pod shop/cart > node-1 > fabric > node-2 > pod shop/web-1');
        assert.deepEqual(changesOf([...story.request, ...story.reply]), []);
        assert.match(story.packet.source, /^fd/);
      });

      test('pod to a Service’s virtual address, and its name', async () => {
        const story = await storyOf(cluster, 'pod/shop/cart', 'service/shop/both', ...family);
        assert.match(changesOf(story.request).join(), /^node-1 dnat \[fd.*\]:\d+ → \[fd.*\]:8080$/);
        assert.equal(story.summary.serverSaw?.address, story.packet.source);
        const { lookup, stories } = await traceOf(cluster, 'pod/shop/cart', 'both.shop', ...family);
        assert.equal(lookup?.address, story.packet.destination);
        assert.deepEqual([stories[0]?.end.kind, stories[0]?.differences], ['delivered', []]);
      });

      test('outside by a node port, whose address is the same inside and outside', async () => {
        const node = cluster.config.nodes[0]?.ipv6;
        const both = await cluster.get<Service>('service', '-n', 'shop', 'both');
        const story = await storyOf(cluster, 'client/alice', `[${node}]:${both.spec?.ports?.[0]?.nodePort}`);
        assert.match(changesOf(story.request).join('\n'), /^node-1 dnat .*\nnode-1 snat /);
        assert.equal(story.summary.serverSaw?.address, node);
      });

      test('outside by a load balancer, with a second hop or without', async () => {
        const { stories } = await traceOf(cluster, 'client/alice', 'service/shop/both', '--count', '4', ...family);
        for (const { differences, summary, request, end } of stories) {
          assert.deepEqual(differences, []);
          assert.equal(end.kind, 'delivered');
          assert.equal(request[1]?.events[0]?.kind, 'balanced');
          // The classic chains masquerade what comes from outside, also to a pod of their own node.
          assert.equal(summary.serverSaw?.isClient, mode === 'nftables' && summary.nodes.length === 1);
        }
      });

      test('a node to a Service over UDP', async () => {
        const story = await storyOf(cluster, 'node/node-1', 'service/shop/both', '--protocol', 'udp', ...family);
        assert.equal(story.replyIs, 'answered');
        assert.ok(story.outcome?.answer?.includes(` [${story.summary.serverSaw?.address}]:`), story.outcome?.answer);
      });

      test('a ping', async () => {
        const story = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/web-2', '--protocol', 'icmp', ...family);
        assert.equal(story.replyIs, 'echoed');
      });
    });

    test('a node to a Service over UDP', async () => {
      const story = await storyOf(cluster, 'node/node-1', 'service/shop/web', '--protocol', 'udp');
      assert.equal(story.replyIs, 'answered');
      assert.match(story.outcome?.answer ?? '', new RegExp(`^web-[12] ${story.summary.serverSaw?.address}:`));
    });

    test('a ping', async () => {
      const story = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/web-2', '--protocol', 'icmp');
      assert.equal(story.replyIs, 'echoed');
      assert.equal(wayOf(story.request), 'pod shop/cart > node-1 > fabric > node-3 > pod shop/web-2');
    });

    test('a Service without endpoints rejects, in its name', async () => {
      const story = await storyOf(cluster, 'pod/shop/cart', 'service/shop/nobody');
      assert.deepEqual(changesOf(story.request), ['node-1 rejected by Service shop/nobody:http']);
      assert.equal(story.replyIs, 'refused by a reset');
    });

    test('a NetworkPolicy drops, in its name, on the node of the pod that it isolates', async () => {
      const policy = {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'web-only', namespace: 'shop' },
        spec: {
          podSelector: { matchLabels: { app: 'near' } },
          ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }] }],
        },
      };
      await cluster.apply(policy);
      await eventually('the policy in the kernel', async () =>
        (await cluster.knit(['exec', 'node/node-1', '--', 'nft', 'list', 'tables'])).includes('knit-policy'),
      );
      const denied = await storyOf(cluster, 'pod/shop/cart', 'pod/shop/near');
      assert.deepEqual(changesOf(denied.request), ['node-1 dropped by NetworkPolicy shop/web-only']);
      assert.match(
        denied.request[1]?.rules.at(-1)?.text ?? '',
        /drop comment "no ingress rule admits it: shop\/web-only"/,
      );
      const admitted = await storyOf(cluster, 'pod/shop/web-1', 'pod/shop/near');
      const [event] = admitted.request.at(-2)?.events ?? [];
      assert.ok(event?.kind === 'admitted');
      assert.equal(event.cause.object, 'NetworkPolicy shop/web-only');
      await cluster.kubectl(['delete', 'networkpolicy', '-n', 'shop', 'web-only']);
    });

    more?.(() => cluster);
  });
}

/** A trace that finds a difference exits with 2. */
async function traceFailing(cluster: TestCluster, from: string, to: string) {
  const command = ['trace', from, to, '-o', 'json'];
  const { code, stdout } = await cluster.tryKnit(command);
  assert.equal(code, 2, stdout);
  return JSON.parse(stdout) as Awaited<ReturnType<typeof traceOf>>;
}

const addressOf = ({ status }: Service): string => status?.loadBalancer?.ingress?.[0]?.ip ?? '';

/** A pod of the lab's image in the namespace `shop`. */
export function pod(name: string, node: string, labels: Record<string, string> = { app: name }) {
  const ports = [{ name: 'http', containerPort: 8080 }];
  // A trace asks once.
  const startupProbe = { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 60 };
  const containers = [{ name: 'lab', image: IMAGE, ports, startupProbe }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels },
    spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers },
  };
}

function pair() {
  const env = [
    { name: 'PORT', value: '8081' },
    { name: 'UDP_PORT', value: '9001' },
  ];
  const containers = [
    { name: 'one', image: IMAGE },
    { name: 'two', image: IMAGE, env },
  ];
  const metadata = { name: 'pair', namespace: 'shop' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { nodeName: 'node-1', terminationGracePeriodSeconds: 0, containers },
  };
}

function service(name: string, spec: Partial<Service['spec']>) {
  const ports = [
    { name: 'http', port: 80, targetPort: 'http' },
    { name: 'echo', port: 9000, protocol: 'UDP' },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { selector: { app: 'web' }, ports, ...spec },
  };
}
