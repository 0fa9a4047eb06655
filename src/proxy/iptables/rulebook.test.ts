import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { planServices } from '../services.ts';
import { labPods, node1, service, slice } from '../testing/objects.ts';
import { chainName, isOwnChain } from './names.ts';
import { Rulebook } from './rulebook.ts';

const { a, b, c } = labPods;

function rulebook(...objects: [ReturnType<typeof service>, ReturnType<typeof slice>][]): Rulebook {
  const plan = planServices(
    objects.map(([object]) => object),
    objects.map(([, endpoints]) => endpoints),
    node1,
  );
  return new Rulebook('ipv4', plan, node1);
}

/** In every cluster the same. */
const constant = ['KUBE-POSTROUTING', 'KUBE-MARK-MASQ', 'KUBE-FORWARD'];

/** The rules that one table has for Services, as iptables-save prints them. */
function rules(book: Rulebook, table: 'nat' | 'filter'): string {
  const lines = [...book.chains()[table]]
    .filter(([chain]) => !constant.includes(chain))
    .flatMap(([chain, text]) => text.map((rule) => `-A ${chain} ${rule}\n`))
    .filter((line) => !line.includes('must be the last rule'));
  return `\n${lines.join('')}`;
}

describe('chain names', () => {
  test('are those that kube-proxy gives the Services of every cluster', () => {
    assert.equal(chainName('SVC', 'default/kubernetes:https', 'tcp'), 'KUBE-SVC-NPX46M4PTMTKRN6Y');
    assert.equal(chainName('SVC', 'kube-system/kube-dns:dns', 'udp'), 'KUBE-SVC-TCOU7JCQXEZGVUNU');
    assert.equal(chainName('SVC', 'kube-system/kube-dns:dns-tcp', 'tcp'), 'KUBE-SVC-ERIFXISQEP7F7OF4');
    assert.equal(chainName('SEP', 'ns1/svc1:p80', 'tcp', '10.180.0.1:80'), 'KUBE-SEP-SXIVWICOYRO3J4NJ');
  });

  test("are told from kubelet's and everybody else's", () => {
    for (const own of ['KUBE-SERVICES', 'KUBE-SEP-SXIVWICOYRO3J4NJ']) assert.ok(isOwnChain(own), own);
    for (const other of ['KUBE-FIREWALL', 'KUBE-KUBELET-CANARY', 'KUBE-SEP-shop', 'DOCKER', 'PREROUTING']) {
      assert.ok(!isOwnChain(other), other);
    }
  });
});

describe('the chains of a Service', () => {
  test('with a cluster IP', () => {
    const book = rulebook([service('cart', '10.96.0.10'), slice('cart', [a, b, c])]);
    assert.equal(
      rules(book, 'nat'),
      `
-A KUBE-SEP-MFRTVPTZX7XLOMBP -s 10.244.1.2/32 -m comment --comment "shop/cart" -j KUBE-MARK-MASQ
-A KUBE-SEP-MFRTVPTZX7XLOMBP -p tcp -m comment --comment "shop/cart" -m tcp -j DNAT --to-destination 10.244.1.2:8080
-A KUBE-SEP-P2JDRSDZQAQQRKEF -s 10.244.1.3/32 -m comment --comment "shop/cart" -j KUBE-MARK-MASQ
-A KUBE-SEP-P2JDRSDZQAQQRKEF -p tcp -m comment --comment "shop/cart" -m tcp -j DNAT --to-destination 10.244.1.3:8080
-A KUBE-SEP-KYJSWTCNUUTS43QJ -s 10.244.2.2/32 -m comment --comment "shop/cart" -j KUBE-MARK-MASQ
-A KUBE-SEP-KYJSWTCNUUTS43QJ -p tcp -m comment --comment "shop/cart" -m tcp -j DNAT --to-destination 10.244.2.2:8080
-A KUBE-SVC-N5W5PH5NLY2BP4HG ! -s 10.244.0.0/16 -d 10.96.0.10/32 -p tcp -m comment --comment "shop/cart cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-N5W5PH5NLY2BP4HG -m comment --comment "shop/cart -> 10.244.1.2:8080" -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-MFRTVPTZX7XLOMBP
-A KUBE-SVC-N5W5PH5NLY2BP4HG -m comment --comment "shop/cart -> 10.244.1.3:8080" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-P2JDRSDZQAQQRKEF
-A KUBE-SVC-N5W5PH5NLY2BP4HG -m comment --comment "shop/cart -> 10.244.2.2:8080" -j KUBE-SEP-KYJSWTCNUUTS43QJ
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "shop/cart cluster IP" -m tcp --dport 80 -j KUBE-SVC-N5W5PH5NLY2BP4HG
`,
    );
    assert.equal(rules(book, 'filter'), '\n');
  });

  test('with a load balancer, source ranges, a node port and policy Local', () => {
    const web = service('web', '10.96.0.11', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 32_100,
      loadBalancerSourceRanges: ['198.51.100.0/24'],
      ports: [{ name: 'http', port: 80, nodePort: 30_080 }],
    });
    web.status = { loadBalancer: { ingress: [{ ip: '203.0.113.10' }] } };
    const endpoints = slice('web', [b, c]);
    const book = rulebook([web, { ...endpoints, ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }]);
    assert.equal(
      rules(book, 'nat'),
      `
-A KUBE-SEP-CACHYPJ5WX3OY2BV -s 10.244.1.3/32 -m comment --comment "shop/web:http" -j KUBE-MARK-MASQ
-A KUBE-SEP-CACHYPJ5WX3OY2BV -p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination 10.244.1.3:8080
-A KUBE-SEP-LYOGWTXD3FSSWSCA -s 10.244.2.2/32 -m comment --comment "shop/web:http" -j KUBE-MARK-MASQ
-A KUBE-SEP-LYOGWTXD3FSSWSCA -p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination 10.244.2.2:8080
-A KUBE-SVC-67NZLRHBNDSAWJRO ! -s 10.244.0.0/16 -d 10.96.0.11/32 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-67NZLRHBNDSAWJRO -m comment --comment "shop/web:http -> 10.244.1.3:8080" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-CACHYPJ5WX3OY2BV
-A KUBE-SVC-67NZLRHBNDSAWJRO -m comment --comment "shop/web:http -> 10.244.2.2:8080" -j KUBE-SEP-LYOGWTXD3FSSWSCA
-A KUBE-SVL-67NZLRHBNDSAWJRO -m comment --comment "shop/web:http -> 10.244.1.3:8080" -j KUBE-SEP-CACHYPJ5WX3OY2BV
-A KUBE-EXT-67NZLRHBNDSAWJRO -s 10.244.0.0/16 -m comment --comment "pod traffic for shop/web:http external destinations" -j KUBE-SVC-67NZLRHBNDSAWJRO
-A KUBE-EXT-67NZLRHBNDSAWJRO -m comment --comment "masquerade LOCAL traffic for shop/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
-A KUBE-EXT-67NZLRHBNDSAWJRO -m comment --comment "route LOCAL traffic for shop/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-67NZLRHBNDSAWJRO
-A KUBE-EXT-67NZLRHBNDSAWJRO -j KUBE-SVL-67NZLRHBNDSAWJRO
-A KUBE-FW-67NZLRHBNDSAWJRO -s 198.51.100.0/24 -m comment --comment "shop/web:http loadbalancer IP" -j KUBE-EXT-67NZLRHBNDSAWJRO
-A KUBE-FW-67NZLRHBNDSAWJRO -m comment --comment "other traffic to shop/web:http will be dropped by KUBE-PROXY-FIREWALL"
-A KUBE-NODEPORTS -p tcp -m comment --comment "shop/web:http" -m tcp --dport 30080 -j KUBE-EXT-67NZLRHBNDSAWJRO
-A KUBE-SERVICES -d 10.96.0.11/32 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-67NZLRHBNDSAWJRO
-A KUBE-SERVICES -d 203.0.113.10/32 -p tcp -m comment --comment "shop/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-FW-67NZLRHBNDSAWJRO
`,
    );
    assert.equal(
      rules(book, 'filter'),
      `
-A KUBE-NODEPORTS -p tcp -m comment --comment "shop/web:http health check node port" -m tcp --dport 32100 -j ACCEPT
-A KUBE-EXTERNAL-SERVICES -d 203.0.113.10/32 -p tcp -m comment --comment "shop/web does not serve this port" -m addrtype ! --dst-type LOCAL -j REJECT --reject-with tcp-reset
-A KUBE-EXTERNAL-SERVICES -d 203.0.113.10/32 -p udp -m comment --comment "shop/web does not serve this port" -m addrtype ! --dst-type LOCAL -j REJECT --reject-with icmp-port-unreachable
-A KUBE-EXTERNAL-SERVICES -d 203.0.113.10/32 -p sctp -m comment --comment "shop/web does not serve this port" -m addrtype ! --dst-type LOCAL -j REJECT --reject-with icmp-port-unreachable
-A KUBE-PROXY-FIREWALL -d 203.0.113.10/32 -p tcp -m comment --comment "shop/web:http traffic not accepted by KUBE-FW-67NZLRHBNDSAWJRO" -m tcp --dport 80 -j DROP
`,
    );
  });

  test('with a node port, policy Cluster and affinity', () => {
    const object = service('sticky', '10.96.0.12', {
      type: 'NodePort',
      sessionAffinity: 'ClientIP',
      ports: [{ port: 53, protocol: 'UDP', nodePort: 30_053 }],
    });
    assert.equal(
      rules(rulebook([object, slice('sticky', [b], 'UDP')]), 'nat'),
      `
-A KUBE-SEP-EODCWVMX4KDH6IXW -s 10.244.1.3/32 -m comment --comment "shop/sticky" -j KUBE-MARK-MASQ
-A KUBE-SEP-EODCWVMX4KDH6IXW -p udp -m comment --comment "shop/sticky" -m recent --set --name KUBE-SEP-EODCWVMX4KDH6IXW --mask 255.255.255.255 --rsource -m udp -j DNAT --to-destination 10.244.1.3:8080
-A KUBE-SVC-WEFMIOGT3UJPJU7J ! -s 10.244.0.0/16 -d 10.96.0.12/32 -p udp -m comment --comment "shop/sticky cluster IP" -m udp --dport 53 -j KUBE-MARK-MASQ
-A KUBE-SVC-WEFMIOGT3UJPJU7J -m comment --comment "shop/sticky" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-EODCWVMX4KDH6IXW --mask 255.255.255.255 --rsource -j KUBE-SEP-EODCWVMX4KDH6IXW
-A KUBE-SVC-WEFMIOGT3UJPJU7J -m comment --comment "shop/sticky -> 10.244.1.3:8080" -j KUBE-SEP-EODCWVMX4KDH6IXW
-A KUBE-EXT-WEFMIOGT3UJPJU7J -m comment --comment "masquerade traffic for shop/sticky external destinations" -j KUBE-MARK-MASQ
-A KUBE-EXT-WEFMIOGT3UJPJU7J -j KUBE-SVC-WEFMIOGT3UJPJU7J
-A KUBE-NODEPORTS -p udp -m comment --comment "shop/sticky" -m udp --dport 30053 -j KUBE-EXT-WEFMIOGT3UJPJU7J
-A KUBE-SERVICES -d 10.96.0.12/32 -p udp -m comment --comment "shop/sticky cluster IP" -m udp --dport 53 -j KUBE-SVC-WEFMIOGT3UJPJU7J
`,
    );
  });

  test('without endpoints, and without local ones', () => {
    const empty = service('empty', '10.96.0.13', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_013 }] });
    const inside = service('inside', '10.96.0.14', { internalTrafficPolicy: 'Local' });
    const book = rulebook([empty, slice('empty', [])], [inside, slice('inside', [c])]);
    assert.equal(
      rules(book, 'filter'),
      `
-A KUBE-SERVICES -d 10.96.0.13/32 -p tcp -m comment --comment "shop/empty has no endpoints" -m tcp --dport 80 -j REJECT --reject-with tcp-reset
-A KUBE-SERVICES -d 10.96.0.14/32 -p tcp -m comment --comment "shop/inside has no local endpoints" -m tcp --dport 80 -j DROP
-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "shop/empty has no endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 30013 -j REJECT --reject-with tcp-reset
`,
    );
  });
});

describe('what every cluster has', () => {
  const chains = rulebook().chains();

  test('masquerades what is marked, at random ports, and takes the mark off', () => {
    assert.deepEqual(chains.nat.get('KUBE-MARK-MASQ'), ['-j MARK --set-xmark 0x4000/0x4000']);
    assert.deepEqual(chains.nat.get('KUBE-POSTROUTING'), [
      '-m mark ! --mark 0x4000/0x4000 -j RETURN',
      '-j MARK --set-xmark 0x4000/0x0',
      '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
    ]);
  });

  test('looks for node ports last', () => {
    assert.equal(
      chains.nat.get('KUBE-SERVICES')?.at(-1),
      '! -d 127.0.0.0/8 -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
    );
  });
});

describe('a change', () => {
  const cart = service('cart', '10.96.0.10');
  const entryOf = (endpoints: Parameters<typeof slice>[1]) =>
    planServices([cart], [slice('cart', endpoints)], node1).get('shop/cart');

  test('of an endpoint touches its own chains and no shared one', () => {
    const book = rulebook([cart, slice('cart', [a, b])]);
    const { nat, filter, refusesMore } = book.update(new Map([['shop/cart', entryOf([a, c])]]));
    const hash = (address: string) => chainName('SEP', 'shop/cart', 'tcp', `${address}:8080`);
    assert.deepEqual(
      [...nat].map(([chain, text]) => [chain, text?.length]),
      [
        [hash('10.244.2.2'), 2],
        [chainName('SVC', 'shop/cart', 'tcp'), 3],
        [hash('10.244.1.3'), undefined],
      ],
    );
    assert.equal(filter.size, 0);
    assert.equal(refusesMore, false);
  });

  test('to no endpoints refuses before the chains go', () => {
    const book = rulebook([cart, slice('cart', [a])]);
    assert.equal(book.update(new Map([['shop/cart', entryOf([])]])).refusesMore, true);
    assert.equal(book.update(new Map([['shop/cart', entryOf([a])]])).refusesMore, false);
  });

  test('of two Services with one address and port the older one has it', () => {
    const older = service('old', '10.96.0.30');
    const younger = service('new', '10.96.0.30');
    younger.metadata = { ...younger.metadata, creationTimestamp: '2026-02-01T00:00:00Z' };
    const book = rulebook([younger, slice('new', [a])], [older, slice('old', [b])]);
    const services = () => book.chains().nat.get('KUBE-SERVICES')?.join('\n') ?? '';
    assert.match(services(), /shop\/old cluster IP/);
    assert.doesNotMatch(services(), /shop\/new cluster IP/);
    book.update(new Map([['shop/old', undefined]]));
    assert.match(services(), /shop\/new cluster IP/);
  });
});
