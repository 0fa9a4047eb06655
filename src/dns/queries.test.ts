import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { serve, slice, type TestServer, zoneOf } from './fixtures.ts';
import { type Answer, dig, type Row } from './testing-dig.ts';

const soa = /^cluster\.local\. 30 SOA ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. \d+ 7200 1800 86400 30$/;
const many = Array.from({ length: 60 }, (_, i) => `10.244.9.${i + 1}`);

const zone = zoneOf('cluster.local', ['default', 'shop', 'kube-system'], {
  'default/kubernetes': {
    spec: { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [{ name: 'https', port: 443, protocol: 'TCP' }] },
  },
  'kube-system/kube-dns': {
    spec: {
      clusterIP: '10.96.0.10',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
  },
  'shop/dual': { spec: { clusterIPs: ['10.96.0.20', 'fd00:10::20'], ports: [{ port: 80 }] } },
  'shop/db': {
    spec: { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] },
    slices: [slice(['db-0@10.244.1.5', 'db-1@10.244.2.6', '!db-2@10.244.3.7', '10.244.3.8'], [['sql', 5432]])],
  },
  'shop/v6': { spec: { clusterIP: 'None' }, slices: [slice(['a@fd00:244::1:5'])] },
  'shop/idle': { spec: { clusterIP: 'None' }, slices: [slice(['!10.244.1.9'])] },
  'shop/many': { spec: { clusterIP: 'None' }, slices: [slice(many)] },
  'shop/shared': { spec: { clusterIP: 'None' }, slices: [slice(['one@10.244.4.1', 'one@10.244.4.2'])] },
  'shop/out': { spec: { type: 'ExternalName', externalName: 'www.example.test' } },
  'shop/in': { spec: { type: 'ExternalName', externalName: 'kubernetes.default.svc.cluster.local' } },
  'shop/twice': { spec: { type: 'ExternalName', externalName: 'out.shop.svc.cluster.local.' } },
  'shop/broken': { spec: { type: 'ExternalName', externalName: 'nothing.shop.svc.cluster.local' } },
  'shop/ring': { spec: { type: 'ExternalName', externalName: 'ring.shop.svc.cluster.local' } },
  'shop/pending': { spec: { clusterIP: '' } },
});

/** What is outside, by the same server for another domain; it has no upstream, and so fails at all other names. */
const outside = zoneOf('example.test', [], {});
outside.setService('x/www', [
  { name: '\x03www\x07example\x04test\0', type: 1, data: '\xc0\x00\x02\x35' },
  { name: '\x05alias\x07example\x04test\0', type: 5, data: '\x03www\x07example\x04test\0' },
]);

const A = (name: string, address: string, ttl = 30) => `${name}. ${ttl} A ${address}`;
const db = 'db.shop.svc.cluster.local';
const host = (label: string) => `${label}.${db}`;
const svc = (name: string) => `${name}.svc.cluster.local`;
const api = svc('kubernetes.default');

const rows: Row[] = [
  // Services with a virtual address
  [`${api} A`, 'NOERROR', [A(api, '10.96.0.1')]],
  [`${api}. A`, 'NOERROR', [A(api, '10.96.0.1')]],
  [`${api} AAAA`, 'NOERROR'],
  [`${api} MX`, 'NOERROR'],
  [`${api} TXT`, 'NOERROR'],
  [`KuberNetes.DEFAULT.svc.Cluster.Local A`, 'NOERROR', [A('KuberNetes.DEFAULT.svc.Cluster.Local', '10.96.0.1')]],
  [`${svc('dual.shop')} A`, 'NOERROR', [A(svc('dual.shop'), '10.96.0.20')]],
  [`${svc('dual.shop')} AAAA`, 'NOERROR', [`${svc('dual.shop')}. 30 AAAA fd00:10::20`]],
  [`${api} ANY`, 'NOERROR', [A(api, '10.96.0.1')]],
  [`${svc('pending.shop')} A`, 'NXDOMAIN'],
  [`x.${api} A`, 'NXDOMAIN'],
  // Their ports
  [
    `_https._tcp.${api} SRV`,
    'NOERROR',
    [`_https._tcp.${api}. 30 SRV 0 100 443 ${api}.`],
    { additional: [A(api, '10.96.0.1')] },
  ],
  [`${api} SRV`, 'NOERROR', [`${api}. 30 SRV 0 100 443 ${api}.`], { additional: [A(api, '10.96.0.1')] }],
  [`_HTTPS._TCP.${api} SRV`, 'NOERROR', [`_HTTPS._TCP.${api}. 30 SRV 0 100 443 ${api}.`]],
  [`_https._udp.${api} SRV`, 'NXDOMAIN'],
  [`_http._tcp.${api} SRV`, 'NXDOMAIN'],
  [`_tcp.${api} SRV`, 'NOERROR'],
  [`_https._tcp.${api} A`, 'NOERROR'],
  [
    `_dns._udp.${svc('kube-dns.kube-system')} SRV`,
    'NOERROR',
    [`_dns._udp.${svc('kube-dns.kube-system')}. 30 SRV 0 100 53 ${svc('kube-dns.kube-system')}.`],
  ],
  // Headless Services
  [`${db} A`, 'NOERROR', [A(db, '10.244.1.5'), A(db, '10.244.2.6'), A(db, '10.244.3.8')]],
  [`${db} AAAA`, 'NOERROR'],
  [`${host('db-0')} A`, 'NOERROR', [A(host('db-0'), '10.244.1.5')]],
  [`${host('DB-1')} A`, 'NOERROR', [A(host('DB-1'), '10.244.2.6')]],
  [`${host('db-2')} A`, 'NXDOMAIN'],
  [`${host('10-244-3-8')} A`, 'NOERROR', [A(host('10-244-3-8'), '10.244.3.8')]],
  [`${host('db-0')} AAAA`, 'NOERROR'],
  [
    `_sql._tcp.${db} SRV`,
    'NOERROR',
    ['db-0', 'db-1', '10-244-3-8'].map((label) => `_sql._tcp.${db}. 30 SRV 0 33 5432 ${host(label)}.`),
    { additional: [A(host('db-0'), '10.244.1.5'), A(host('db-1'), '10.244.2.6'), A(host('10-244-3-8'), '10.244.3.8')] },
  ],
  [`${svc('v6.shop')} AAAA`, 'NOERROR', [`${svc('v6.shop')}. 30 AAAA fd00:244::1:5`]],
  [`a.${svc('v6.shop')} AAAA`, 'NOERROR', [`a.${svc('v6.shop')}. 30 AAAA fd00:244::1:5`]],
  [`${svc('v6.shop')} A`, 'NOERROR'],
  [`${svc('idle.shop')} A`, 'NXDOMAIN'],
  [
    `one.${svc('shared.shop')} A`,
    'NOERROR',
    [A(`one.${svc('shared.shop')}`, '10.244.4.1'), A(`one.${svc('shared.shop')}`, '10.244.4.2')],
  ],
  // Reverse
  ['-x 10.96.0.1', 'NOERROR', [`1.0.96.10.in-addr.arpa. 30 PTR ${api}.`]],
  ['-x 10.244.1.5', 'NOERROR', [`5.1.244.10.in-addr.arpa. 30 PTR ${host('db-0')}.`]],
  ['-x 10.244.3.8', 'NOERROR', [`8.3.244.10.in-addr.arpa. 30 PTR ${host('10-244-3-8')}.`]],
  [
    '-x fd00:10::20',
    'NOERROR',
    [`0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.d.f.ip6.arpa. 30 PTR ${svc('dual.shop')}.`],
  ],
  ['-x 10.244.3.7', 'SERVFAIL'],
  // ExternalName
  [`${svc('in.shop')} A`, 'NOERROR', [`${svc('in.shop')}. 30 CNAME ${api}.`, A(api, '10.96.0.1')]],
  [`${svc('in.shop')} AAAA`, 'NOERROR', [`${svc('in.shop')}. 30 CNAME ${api}.`]],
  [`${svc('in.shop')} CNAME`, 'NOERROR', [`${svc('in.shop')}. 30 CNAME ${api}.`]],
  [
    `${svc('out.shop')} A`,
    'NOERROR',
    [`${svc('out.shop')}. 30 CNAME www.example.test.`, A('www.example.test', '192.0.2.53')],
  ],
  [
    `${svc('twice.shop')} A`,
    'NOERROR',
    [
      `${svc('twice.shop')}. 30 CNAME ${svc('out.shop')}.`,
      `${svc('out.shop')}. 30 CNAME www.example.test.`,
      A('www.example.test', '192.0.2.53'),
    ],
  ],
  [`${svc('broken.shop')} A`, 'NXDOMAIN', [`${svc('broken.shop')}. 30 CNAME ${svc('nothing.shop')}.`]],
  [`${svc('ring.shop')} CNAME`, 'NOERROR', [`${svc('ring.shop')}. 30 CNAME ${svc('ring.shop')}.`]],
  // Pods
  ['1-2-3-4.default.pod.cluster.local A', 'NOERROR', [A('1-2-3-4.default.pod.cluster.local', '1.2.3.4')]],
  ['1-2-3-4.default.pod.cluster.local AAAA', 'NOERROR'],
  ['fd00--1.default.pod.cluster.local AAAA', 'NOERROR', ['fd00--1.default.pod.cluster.local. 30 AAAA fd00::1']],
  ['1-2-3-4.gone.pod.cluster.local A', 'NXDOMAIN'],
  ['1-2-3-400.default.pod.cluster.local A', 'NXDOMAIN'],
  ['web-0.default.pod.cluster.local A', 'NXDOMAIN'],
  ['x.1-2-3-4.default.pod.cluster.local A', 'NXDOMAIN'],
  // Names between, and of the zone itself
  ['cluster.local A', 'NOERROR'],
  ['svc.cluster.local A', 'NOERROR'],
  ['pod.cluster.local A', 'NOERROR'],
  ['shop.svc.cluster.local A', 'NOERROR'],
  ['shop.pod.cluster.local A', 'NOERROR'],
  ['gone.svc.cluster.local A', 'NXDOMAIN'],
  ['nothing.shop.svc.cluster.local A', 'NXDOMAIN'],
  ['example.test.default.svc.cluster.local A', 'NXDOMAIN'],
  ['kubernetes.default.cluster.local A', 'NXDOMAIN'],
  ['dns-version.cluster.local TXT', 'NOERROR', ['dns-version.cluster.local. 30 TXT "1.1.0"']],
  ['cluster.local NS', 'NOERROR', ['cluster.local. 30 NS ns.dns.cluster.local.']],
  ['ns.dns.cluster.local A', 'NOERROR', [A('ns.dns.cluster.local', '10.96.0.10')]],
  // Other classes and versions
  [`${api} CH TXT`, 'REFUSED'],
  [`+edns=1 +noednsneg ${api} A`, 'BADVERS'],
  [`+noedns ${api} A`, 'NOERROR', [A(api, '10.96.0.1')]],
  [`+tcp ${api} A`, 'NOERROR', [A(api, '10.96.0.1')]],
  [`+opcode=NOTIFY ${api} A`, 'NOTIMP'],
  // The world outside
  ['www.example.test A', 'NOERROR', [A('www.example.test', '192.0.2.53')]],
  ['WWW.Example.TEST A', 'NOERROR', [A('WWW.Example.TEST', '192.0.2.53')]],
  ['+tcp www.example.test A', 'NOERROR', [A('www.example.test', '192.0.2.53')]],
  ['+noedns www.example.test A', 'NOERROR', [A('www.example.test', '192.0.2.53')]],
  [
    'alias.example.test A',
    'NOERROR',
    ['alias.example.test. 30 CNAME www.example.test.', A('www.example.test', '192.0.2.53')],
  ],
  ['www.example.test AAAA', 'NOERROR'],
  ['nothing.example.test A', 'NXDOMAIN'],
  ['+norecurse www.example.test A', 'REFUSED'],
  ['notcluster.local A', 'SERVFAIL'],
  ['local A', 'SERVFAIL'],
];

describe('cluster DNS, asked by dig', () => {
  let world: TestServer;
  let server: TestServer;
  let answers: Answer[] = [];

  before(async () => {
    world = await serve(outside);
    server = await serve(zone, { upstreams: [{ address: '127.0.0.1', port: world.port }] });
    answers = await dig(
      server.port,
      rows.map(([query]) => query),
    );
  });
  after(() => Promise.all([server.stop(), world.stop()]));

  for (const [index, [query, status, answer = [], more = {}]] of rows.entries()) {
    it(`${query} → ${status}${answer.length > 0 ? ` ${answer.length}` : ''}`, () => {
      const got = answers[index];
      assert.equal(got?.status, status);
      assert.deepEqual(got?.answer, [...answer].sort());
      if (more.additional) assert.deepEqual(got?.additional, [...more.additional].sort());
    });
  }

  it('denies names and types with the zone’s SOA, authoritatively', async () => {
    for (const got of await dig(server.port, ['nope.svc.cluster.local A', `${api} AAAA`])) {
      assert.equal(got.authority.length, 1);
      assert.match(got.authority[0] ?? '', soa);
      assert.ok(got.flags.includes('aa'));
    }
  });

  it('truncates over UDP what only TCP can carry', async () => {
    const [small, large, tcp] = await dig(server.port, [
      `+noedns +ignore ${svc('many.shop')} A`,
      `+bufsize=1232 +ignore ${svc('many.shop')} A`,
      `+tcp ${svc('many.shop')} A`,
    ]);
    assert.ok(small?.flags.includes('tc') && small.answer.length > 20 && small.answer.length < 60);
    assert.equal(large?.answer.length, 60);
    assert.equal(tcp?.answer.length, 60);
    assert.ok(!tcp?.flags.includes('tc'));
  });

  it('ends a chain of ExternalNames that leads to itself', async () => {
    const [got] = await dig(server.port, [`${svc('ring.shop')} A`]);
    assert.equal(got?.status, 'SERVFAIL');
  });
});
