import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ingress, NetworkPolicy, Node, Service } from '../../api/types.ts';
import { knitClass as knitGatewayClass } from '../../edge/gateway/classes.ts';
import { testGateway, testRoute } from '../../edge/gateway/testing.ts';
import { knitClass } from '../../edge/ingress/classes.ts';
import { gatewayAddressClass } from '../../edge/loadbalancer/addresses.ts';
import { type TestObjects, testFacts } from '../testing/facts.ts';
import { testPod, testPolicy, testService } from '../testing/world.ts';
import { explain } from './explain.ts';
import type { ProxySource } from './facts.ts';
import { sweep } from './sweep.ts';

const proxy: ProxySource = { addresses: ['203.0.113.1'] };

const nodes: readonly Node[] = [0, 1, 2].map((index) => ({
  metadata: { name: `node-${index + 1}` },
  spec: { podCIDRs: [`10.244.${index}.0/24`] },
  status: {
    addresses: [{ type: 'InternalIP', address: `10.89.0.${11 + index}` }],
    conditions: [{ type: 'Ready', status: 'True' }],
  },
}));
const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
const pods = [testPod('shop/web-1', 'node-1', '10.244.0.2'), testPod('shop/web-2', 'node-2', '10.244.1.2')].map(
  (pod) => ({ ...pod, metadata: { ...pod.metadata, labels: { app: 'web' } }, status: { ...pod.status, ...ready } }),
);

/** Its pods are asked straight, or with `byNodes` at the port 30080 of every node. */
function web(how: 'straight' | 'byNodes', some = pods, spec: Service['spec'] = {}) {
  const nodePort = { type: 'NodePort', ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30_080 }] };
  const more = { selector: { app: 'web' }, ...(how === 'byNodes' ? nodePort : {}), ...spec };
  return testService('shop/web', '10.96.0.9', some, more);
}

const ingress: Ingress = {
  metadata: { namespace: 'shop', name: 'web' },
  spec: {
    rules: [
      {
        host: 'shop.test',
        http: {
          paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }],
        },
      },
    ],
  },
};

const deny = testPolicy('shop/deny', { podSelector: {}, policyTypes: ['Ingress'] });
const admit = (...addresses: readonly string[]): NetworkPolicy =>
  testPolicy('shop/admit', {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: addresses.map((address) => ({ ipBlock: { cidr: `${address}/32` } })) }],
  });

function factsOf(
  { service, slice }: ReturnType<typeof web>,
  networkpolicies: readonly NetworkPolicy[],
  more: TestObjects = {},
  source: ProxySource | 'unknown' = proxy,
) {
  const objects = {
    nodes,
    pods: pods.filter((pod) => slice.endpoints?.some(({ targetRef }) => targetRef?.name === pod.metadata?.name)),
    services: [service],
    endpointslices: [slice],
    namespaces: [{ metadata: { name: 'shop' } }],
    ingressclasses: [knitClass],
    ingresses: [ingress],
    networkpolicies,
    ...more,
  };
  return testFacts(
    objects,
    more.gateways ? ['Gateway', 'GatewayClass', 'HTTPRoute'] : [],
    source === 'unknown' ? undefined : source,
  );
}

/** The verdict, with the senders that a rule should admit. */
async function ask(facts: ReturnType<typeof factsOf>, to = 'http://shop.test/') {
  const { verdict, findings, checks } = await explain(facts, { from: 'outside', to });
  const [{ code, partial, mend = '', subject, evidence } = {} as never] = findings;
  assert.ok(findings.length < 2 && (code ?? 'NET_POLICY_INGRESS_DENIED') === 'NET_POLICY_INGRESS_DENIED');
  const wanted = [...mend.matchAll(/ipBlock ([^,/ ]+)/g)].map(([, address]) => address);
  return { verdict, partial, wanted, subject, evidence, texts: checks.map(({ text }) => text) };
}

const straight = { ...ingress, metadata: { ...ingress.metadata, annotations: { 'knit.dev/backends': 'pods' } } };

test('pods that are asked straight must let the proxy in', async () => {
  for (const [service, more] of [
    [web('straight'), {}],
    [web('byNodes'), { ingresses: [straight] }],
  ] as const) {
    const closed = await ask(factsOf(service, [deny], more));
    assert.deepEqual([closed.verdict, closed.wanted], ['denied', ['203.0.113.1']]);
    assert.equal(closed.subject, 'NetworkPolicy shop/deny');
    assert.deepEqual(closed.evidence, ['no rule admits the proxy (203.0.113.1) at TCP port 8080']);
    assert.ok(
      closed.texts.includes('ingress of pod shop/web-1 and 1 more is closed to the proxy by NetworkPolicy shop/deny'),
    );
    const open = await ask(factsOf(service, [deny, admit('203.0.113.1')], more));
    assert.equal(open.verdict, 'allowed');
    assert.ok(open.texts.includes('ingress of shop/web-1: rule 1 of shop/admit admits it'));
  }
});

test('by node ports pods are asked from the proxy by their own node, and from every other node', async () => {
  const one = web('byNodes', pods.slice(0, 1));
  const closed = await ask(factsOf(one, [deny]));
  assert.deepEqual([closed.verdict, closed.wanted], ['denied', ['203.0.113.1', '10.89.0.12', '10.89.0.13']]);
  assert.match(closed.evidence?.[0] ?? '', /the proxy \(203\.0\.113\.1\), node-2 \(10\.89\.0\.12\), node-3 /);
  const both = await ask(factsOf(web('byNodes'), [deny]));
  assert.deepEqual(both.wanted.toSorted(), ['10.89.0.11', '10.89.0.12', '10.89.0.13', '203.0.113.1']);
  const open = await ask(factsOf(one, [deny, admit('203.0.113.1', '10.89.0.12', '10.89.0.13')]));
  assert.equal(open.verdict, 'allowed');
});

test('senders of which some are admitted hit a part of the requests', async () => {
  const one = web('byNodes', pods.slice(0, 1));
  const partly = await ask(factsOf(one, [admit('203.0.113.1')]));
  assert.deepEqual([partly.verdict, partly.partial, partly.wanted], ['allowed', true, ['10.89.0.12', '10.89.0.13']]);
});

test('with externalTrafficPolicy Local only the pods’ own nodes are asked, and show the proxy’s address', async () => {
  const service = web('byNodes', pods, { externalTrafficPolicy: 'Local' });
  assert.deepEqual((await ask(factsOf(service, [deny]))).wanted, ['203.0.113.1']);
  assert.equal((await ask(factsOf(service, [admit('203.0.113.1')]))).verdict, 'allowed');
});

test('of two pods one that is closed is a part', async () => {
  const first = testPolicy('shop/first', { podSelector: { matchLabels: { first: 'yes' } }, policyTypes: ['Ingress'] });
  const [one, two] = pods;
  const labelled = [{ ...one, metadata: { ...one?.metadata, labels: { app: 'web', first: 'yes' } } }, two!];
  const { verdict, partial, texts } = await ask(factsOf(web('straight'), [first], { pods: labelled }));
  assert.deepEqual([verdict, partial], ['allowed', true]);
  assert.ok(texts.includes('ingress of shop/web-2: no policy selects it'));
});

test('in tunnels the proxy and nodes have other addresses', async () => {
  const inside = { ...proxy, inside: ['10.89.0.2'] };
  const sees = async (service: ReturnType<typeof web>) => (await ask(factsOf(service, [deny], {}, inside))).wanted;
  assert.deepEqual(await sees(web('straight')), ['10.89.0.2']);
  assert.deepEqual(await sees(web('byNodes', pods.slice(0, 1))), ['203.0.113.1', '10.244.1.0', '10.244.2.0']);
});

test('where the proxy is not known, or somebody else’s, and where it asks no pod, nothing is judged', async () => {
  const foreign = { metadata: { name: 'nginx' }, spec: { controller: 'example.com/nginx' } };
  const annotations = { 'knit.dev/redirect': 'https://elsewhere.test/' };
  const redirected = { ...ingress, metadata: { ...ingress.metadata, annotations } };
  const ofNginx = { ...ingress, spec: { ...ingress.spec, ingressClassName: 'nginx' } };
  for (const facts of [
    factsOf(web('straight'), [deny], {}, 'unknown'),
    factsOf(web('straight'), [deny], { ingressclasses: [foreign], ingresses: [ofNginx] }),
    factsOf(web('straight'), [deny], { ingresses: [redirected] }),
  ]) {
    assert.notEqual((await ask(facts)).verdict, 'denied');
  }
});

test('what parameters of the class say counts', async () => {
  const parameters = { kind: 'ConfigMap', scope: 'Namespace', namespace: 'shop', name: 'settings' };
  const more = {
    ingressclasses: [{ ...knitClass, spec: { ...knitClass.spec, parameters } }],
    configmaps: [{ metadata: { namespace: 'shop', name: 'settings' }, data: { backends: 'pods' } }],
  };
  assert.deepEqual((await ask(factsOf(web('byNodes'), [deny], more))).wanted, ['203.0.113.1']);
});

test('an Ingress by its name, a Gateway by a URL and by its name, and a sweep say the same', async () => {
  const holder: Service = {
    metadata: { namespace: 'shop', name: 'gw-knit' },
    spec: { type: 'LoadBalancer', loadBalancerClass: gatewayAddressClass, ports: [{ port: 80 }] },
    status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } },
  };
  const { service, slice } = web('byNodes', pods.slice(0, 1));
  const gateway = {
    services: [service, holder],
    gatewayclasses: [knitGatewayClass],
    gateways: [testGateway()],
    httproutes: [testRoute('web', [{ backendRefs: [{ name: 'web', port: 80 }] }])],
  };
  const wanted = ['203.0.113.1', '10.89.0.12', '10.89.0.13'];
  for (const [to, more] of [
    ['ingress/shop/web', {}],
    ['http://203.0.113.9/', gateway],
    ['gateway/shop/gw', gateway],
  ] as const) {
    const closed = await ask(factsOf({ service, slice }, [deny], more), to);
    assert.deepEqual([to, closed.verdict, closed.wanted], [to, 'denied', wanted]);
    const open = await ask(factsOf({ service, slice }, [admit(...wanted)], more), to);
    assert.deepEqual([to, open.verdict], [to, 'allowed']);
  }
  const { findings } = await sweep(factsOf({ service, slice }, [deny], gateway));
  assert.deepEqual(
    findings.map(({ code, subject }) => `${code} ${subject}`),
    ['NET_POLICY_INGRESS_DENIED NetworkPolicy shop/deny'],
  );
});
