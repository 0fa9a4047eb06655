import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { serve, slice, type TestServer, zoneOf } from './fixtures.ts';
import { knownNameKey, type NameKey, nameKey, reverseKey } from './names.ts';
import { type Answer, dig, type Row } from './testing-dig.ts';

const domain = 'lab.example';
const ports = (...all: [name: string, port: number, protocol?: string][]) =>
  all.map(([name, port, protocol = 'TCP']) => ({ name, port, protocol }));
const dual = (last: number) => ({ clusterIPs: [`10.96.0.${last}`, `fd00:10:96::${last}`] });
const external = (externalName: string) => ({ spec: { type: 'ExternalName', externalName } });

const zone = zoneOf(domain, ['default', 'shop', 'kube-system', 'x'], {
  'default/kubernetes': { spec: { ...dual(1), ports: ports(['https', 443]) } },
  'kube-system/kube-dns': { spec: { ...dual(10), ports: ports(['dns', 53, 'UDP'], ['dns-tcp', 53]) } },
  'shop/web': {
    spec: { ...dual(20), ports: ports(['http', 80], ['h3', 443, 'UDP'], ['sip', 5060, 'SCTP'], ['', 9000]) },
  },
  'shop/six': { spec: { clusterIP: 'fd00:10:96::6', ports: ports(['http', 80]) } },
  'shop/v6first': { spec: { clusterIPs: ['fd00:10:96::30', '10.96.0.30'] } },
  'shop/pg': {
    spec: { clusterIP: 'None', ports: ports(['sql', 5432]) },
    slices: [
      slice(['pg-0@10.244.1.5', 'pg-1@10.244.2.6', '!pg-2@10.244.3.7'], [['sql', 5432]]),
      slice(['pg-0@fd00:244::1:5', 'pg-1@fd00:244::2:6', '!pg-2@fd00:244::3:7'], [['sql', 5432]]),
    ],
  },
  'shop/anon': { spec: { clusterIP: 'None' }, slices: [slice(['10.244.1.9']), slice(['fd00:244::1:9'])] },
  'shop/mixed': {
    spec: { clusterIP: 'None', ports: ports(['a', 1], ['b', 2]) },
    slices: [slice(['m-0@10.244.5.1'], [['a', 11]]), slice(['m-1@10.244.5.2'], [['b', 22]])],
  },
  'shop/fqdn': {
    spec: { clusterIP: 'None' },
    slices: [{ addressType: 'FQDN', endpoints: [{ addresses: ['db.example.test'] }] }],
  },
  'shop/silent': { spec: { clusterIP: 'None' } },
  'shop/out': external('www.example.test'),
  'shop/upper': external('WWW.Example.TEST.'),
  'shop/in': external('web.shop.svc.lab.example'),
  'shop/in-headless': external('pg.shop.svc.lab.example'),
  'shop/far': external('missing.example.test'),
  'shop/nowhere': external('missing.shop.svc.lab.example'),
  'shop/dead': external('www.unreachable.test'),
  'shop/bad': external('not..a.name'),
  'x/a': { spec: { clusterIP: '10.96.0.200' } },
});

/** What is outside. `stub.test` has a server of its own. */
const outside = zoneOf('example.test', [], {});
outside.setService('x/www', [
  { name: knownNameKey('www.example.test'), type: 1, data: '\xc0\x00\x02\x35' },
  { name: knownNameKey('www.example.test'), type: 28, data: '\xfd\x00'.padEnd(15, '\0').concat('\x35') },
]);
const stub = zoneOf('stub.test', ['a'], { 'a/b': { spec: { clusterIP: '192.0.2.99' } } });

const A = (name: string, address: string) => `${name}. 30 A ${address}`;
const AAAA = (name: string, address: string) => `${name}. 30 AAAA ${address}`;
const CNAME = (name: string, target: string) => `${name}. 30 CNAME ${target}.`;
const SRV = (name: string, weight: number, port: number, target: string) =>
  `${name}. 30 SRV 0 ${weight} ${port} ${target}.`;
const svc = (name: string) => `${name}.svc.${domain}`;
const podName = (name: string) => `${name}.pod.${domain}`;
const [api, web, six, pg, mixed, anon] = [
  'kubernetes.default',
  'web.shop',
  'six.shop',
  'pg.shop',
  'mixed.shop',
  'anon.shop',
].map(svc) as [string, string, string, string, string, string];
const reverse = (address: string) =>
  address.includes(':')
    ? `${[...(reverseKey(address) ?? '')]
        .filter((each) => /[0-9a-f]/.test(each))
        .slice(0, 32)
        .join('.')}.ip6.arpa`
    : `${address.split('.').reverse().join('.')}.in-addr.arpa`;
const PTR = (address: string, target: string) => `${reverse(address)}. 30 PTR ${target}.`;
const both = (name: string, v4: string, v6: string) => [A(name, v4), AAAA(name, v6)];
const soa = [`${domain}.`];

const rows: Row[] = [
  // A Service of both families has a record of each
  [`${api} A`, 'NOERROR', [A(api, '10.96.0.1')]],
  [`${api} AAAA`, 'NOERROR', [AAAA(api, 'fd00:10:96::1')]],
  [`${web} A`, 'NOERROR', [A(web, '10.96.0.20')]],
  [`${web} AAAA`, 'NOERROR', [AAAA(web, 'fd00:10:96::20')]],
  [`${svc('v6first.shop')} A`, 'NOERROR', [A(svc('v6first.shop'), '10.96.0.30')]],
  [`${svc('v6first.shop')} AAAA`, 'NOERROR', [AAAA(svc('v6first.shop'), 'fd00:10:96::30')]],
  // One of one family has no data of the other
  [`${six} AAAA`, 'NOERROR', [AAAA(six, 'fd00:10:96::6')]],
  [`${six} A`, 'NOERROR', [], { authority: soa }],
  [`${svc('a.x')} A`, 'NOERROR', [A(svc('a.x'), '10.96.0.200')]],
  [`${svc('a.x')} AAAA`, 'NOERROR', [], { authority: soa }],
  // Types that no Service has
  ...['TXT', 'MX', 'NS', 'SOA', 'CNAME', 'PTR', 'HTTPS', 'CAA', 'DS', 'TYPE1234'].map(
    (type): Row => [`${web} ${type}`, 'NOERROR', [], { authority: soa }],
  ),
  [`${web} ANY`, 'NOERROR', [A(web, '10.96.0.20')]],
  // Case
  [`WEB.Shop.sVc.LAB.example AAAA`, 'NOERROR', [AAAA('WEB.Shop.sVc.LAB.example', 'fd00:10:96::20')]],
  // Named ports, in each protocol; the unnamed one only at the Service's own name
  [
    `_http._tcp.${web} SRV`,
    'NOERROR',
    [SRV(`_http._tcp.${web}`, 100, 80, web)],
    { additional: both(web, '10.96.0.20', 'fd00:10:96::20') },
  ],
  [`_h3._udp.${web} SRV`, 'NOERROR', [SRV(`_h3._udp.${web}`, 100, 443, web)]],
  [`_sip._sctp.${web} SRV`, 'NOERROR', [SRV(`_sip._sctp.${web}`, 100, 5060, web)]],
  [`${web} SRV`, 'NOERROR', [80, 443, 5060, 9000].map((port) => SRV(web, 100, port, web))],
  [`_http._udp.${web} SRV`, 'NXDOMAIN', [], { authority: soa }],
  [`_h3._tcp.${web} SRV`, 'NXDOMAIN'],
  [`_9000._tcp.${web} SRV`, 'NXDOMAIN'],
  [`http.tcp.${web} SRV`, 'NXDOMAIN'],
  [`_udp.${web} SRV`, 'NOERROR', [], { authority: soa }],
  [`_http._tcp.${web} AAAA`, 'NOERROR', [], { authority: soa }],
  [
    `_http._tcp.${six} SRV`,
    'NOERROR',
    [SRV(`_http._tcp.${six}`, 100, 80, six)],
    { additional: [AAAA(six, 'fd00:10:96::6')] },
  ],
  // Addresses back to names
  ['-x 10.96.0.20', 'NOERROR', [PTR('10.96.0.20', web)]],
  ['-x fd00:10:96::20', 'NOERROR', [PTR('fd00:10:96::20', web)]],
  ['-x FD00:10:96::6', 'NOERROR', [PTR('fd00:10:96::6', six)]],
  [`${reverse('fd00:10:96::20')} AAAA`, 'SERVFAIL'],
  [`${reverse('10.96.0.20')} TXT`, 'SERVFAIL'],
  // Headless: every ready endpoint, of the family that is asked for
  [`${pg} A`, 'NOERROR', [A(pg, '10.244.1.5'), A(pg, '10.244.2.6')]],
  [`${pg} AAAA`, 'NOERROR', [AAAA(pg, 'fd00:244::1:5'), AAAA(pg, 'fd00:244::2:6')]],
  [`pg-0.${pg} A`, 'NOERROR', [A(`pg-0.${pg}`, '10.244.1.5')]],
  [`pg-0.${pg} AAAA`, 'NOERROR', [AAAA(`pg-0.${pg}`, 'fd00:244::1:5')]],
  [`PG-1.${pg} AAAA`, 'NOERROR', [AAAA(`PG-1.${pg}`, 'fd00:244::2:6')]],
  [`pg-2.${pg} A`, 'NXDOMAIN', [], { authority: soa }],
  [`pg-2.${pg} AAAA`, 'NXDOMAIN'],
  [`pg-0.${pg} SRV`, 'NOERROR', [], { authority: soa }],
  [
    `_sql._tcp.${pg} SRV`,
    'NOERROR',
    [0, 1].map((each) => SRV(`_sql._tcp.${pg}`, 50, 5432, `pg-${each}.${pg}`)),
    {
      additional: [
        ...both(`pg-0.${pg}`, '10.244.1.5', 'fd00:244::1:5'),
        ...both(`pg-1.${pg}`, '10.244.2.6', 'fd00:244::2:6'),
      ],
    },
  ],
  ['-x 10.244.1.5', 'NOERROR', [PTR('10.244.1.5', `pg-0.${pg}`)]],
  ['-x fd00:244::2:6', 'NOERROR', [PTR('fd00:244::2:6', `pg-1.${pg}`)]],
  ['-x fd00:244::3:7', 'SERVFAIL'],
  // Endpoints without a hostname are named for their address
  [`10-244-1-9.${anon} A`, 'NOERROR', [A(`10-244-1-9.${anon}`, '10.244.1.9')]],
  [`fd00-244--1-9.${anon} AAAA`, 'NOERROR', [AAAA(`fd00-244--1-9.${anon}`, 'fd00:244::1:9')]],
  [`10-244-1-9.${anon} AAAA`, 'NOERROR', [], { authority: soa }],
  [`10-244-1-8.${anon} A`, 'NXDOMAIN'],
  ['-x fd00:244::1:9', 'NOERROR', [PTR('fd00:244::1:9', `fd00-244--1-9.${anon}`)]],
  // Named ports may differ from endpoint to endpoint
  [`_a._tcp.${mixed} SRV`, 'NOERROR', [SRV(`_a._tcp.${mixed}`, 100, 11, `m-0.${mixed}`)]],
  [`_b._tcp.${mixed} SRV`, 'NOERROR', [SRV(`_b._tcp.${mixed}`, 100, 22, `m-1.${mixed}`)]],
  [`${mixed} A`, 'NOERROR', [A(mixed, '10.244.5.1'), A(mixed, '10.244.5.2')]],
  // Without endpoints that have addresses there is no such name
  [`${svc('silent.shop')} A`, 'NXDOMAIN', [], { authority: soa }],
  [`${svc('fqdn.shop')} A`, 'NXDOMAIN'],
  // ExternalName: its target with it where that is ours, or an upstream knows it
  [`${svc('in.shop')} A`, 'NOERROR', [CNAME(svc('in.shop'), web), A(web, '10.96.0.20')]],
  [`${svc('in.shop')} AAAA`, 'NOERROR', [CNAME(svc('in.shop'), web), AAAA(web, 'fd00:10:96::20')]],
  [
    `${svc('in.shop')} SRV`,
    'NOERROR',
    [CNAME(svc('in.shop'), web), ...[80, 443, 5060, 9000].map((port) => SRV(web, 100, port, web))],
  ],
  [`${svc('in.shop')} MX`, 'NOERROR', [CNAME(svc('in.shop'), web)], { authority: soa }],
  [
    `${svc('in-headless.shop')} AAAA`,
    'NOERROR',
    [CNAME(svc('in-headless.shop'), pg), AAAA(pg, 'fd00:244::1:5'), AAAA(pg, 'fd00:244::2:6')],
  ],
  [
    `${svc('out.shop')} A`,
    'NOERROR',
    [CNAME(svc('out.shop'), 'www.example.test'), A('www.example.test', '192.0.2.53')],
  ],
  [
    `${svc('out.shop')} AAAA`,
    'NOERROR',
    [CNAME(svc('out.shop'), 'www.example.test'), AAAA('www.example.test', 'fd00::35')],
  ],
  [`${svc('out.shop')} CNAME`, 'NOERROR', [CNAME(svc('out.shop'), 'www.example.test')]],
  [`${svc('out.shop')} TXT`, 'NOERROR', [CNAME(svc('out.shop'), 'www.example.test')], { authority: ['example.test.'] }],
  [
    `${svc('upper.shop')} A`,
    'NOERROR',
    [CNAME(svc('upper.shop'), 'www.example.test'), A('www.example.test', '192.0.2.53')],
  ],
  [
    `${svc('far.shop')} A`,
    'NXDOMAIN',
    [CNAME(svc('far.shop'), 'missing.example.test')],
    { authority: ['example.test.'] },
  ],
  [`${svc('nowhere.shop')} A`, 'NXDOMAIN', [CNAME(svc('nowhere.shop'), svc('missing.shop'))], { authority: soa }],
  [`${svc('dead.shop')} A`, 'SERVFAIL', [CNAME(svc('dead.shop'), 'www.unreachable.test')]],
  [`${svc('bad.shop')} A`, 'NXDOMAIN'],
  [`x.${svc('out.shop')} A`, 'NXDOMAIN'],
  // Pods
  [`${podName('fd00-244--1-5.shop')} AAAA`, 'NOERROR', [AAAA(podName('fd00-244--1-5.shop'), 'fd00:244::1:5')]],
  [`${podName('1-2-3-4-5-6-7-8.shop')} AAAA`, 'NOERROR', [AAAA(podName('1-2-3-4-5-6-7-8.shop'), '1:2:3:4:5:6:7:8')]],
  [`${podName('--1.shop')} AAAA`, 'NOERROR', [AAAA(podName('--1.shop'), '::1')]],
  [`${podName('FD00--A.shop')} AAAA`, 'NOERROR', [AAAA(podName('FD00--A.shop'), 'fd00::a')]],
  [`${podName('255-255-255-255.x')} A`, 'NOERROR', [A(podName('255-255-255-255.x'), '255.255.255.255')]],
  [`${podName('10-0-0-1.x')} ANY`, 'NOERROR', [A(podName('10-0-0-1.x'), '10.0.0.1')]],
  [`${podName('10-0-0-1.x')} SRV`, 'NOERROR', [], { authority: soa }],
  ...[
    '256-0-0-1.x',
    '1-2-3.x',
    '1-2-3-4-5.x',
    '1--2--3.x',
    'fd00-1.x',
    'g--1.x',
    '1-2-3-4.y',
    '-.x',
    'a.b.1-2-3-4.x',
  ].map((name): Row => [`${podName(name)} A`, 'NXDOMAIN']),
  // The zone itself
  [`${domain} NS`, 'NOERROR', [`${domain}. 30 NS ns.dns.${domain}.`]],
  [`ns.dns.${domain} A`, 'NOERROR', [A(`ns.dns.${domain}`, '10.96.0.10')]],
  [`ns.dns.${domain} AAAA`, 'NOERROR', [AAAA(`ns.dns.${domain}`, 'fd00:10:96::10')]],
  [`dns.${domain} A`, 'NOERROR', [], { authority: soa }],
  [`dns-version.${domain} TXT`, 'NOERROR', [`dns-version.${domain}. 30 TXT "1.1.0"`]],
  [`dns-version.${domain} A`, 'NOERROR', [], { authority: soa }],
  [`${svc('shop')} AAAA`, 'NOERROR', [], { authority: soa }],
  [`${svc('nobody')} AAAA`, 'NXDOMAIN', [], { authority: soa }],
  // No wildcards, no names that only look alike
  [`*.${svc('shop')} A`, 'NXDOMAIN'],
  [`any.any.svc.${domain} A`, 'NXDOMAIN'],
  [`web\\.shop.svc.${domain} A`, 'NXDOMAIN'],
  [`web.shop.svc.x${domain} A`, 'SERVFAIL'],
  [`web.shop.${domain} A`, 'NXDOMAIN'],
  [`${'a'.repeat(63)}.${svc('shop')} A`, 'NXDOMAIN'],
  [`${`${'a'.repeat(49)}.`.repeat(4)}${svc('shop')} A`, 'NXDOMAIN'],
  // What a question may carry
  ...[
    '+dnssec',
    '+nsid',
    '+cookie=0102030405060708',
    '+subnet=198.51.100.0/24',
    '+bufsize=512',
    '+bufsize=65535',
    '+cdflag',
    '+adflag',
    '+norecurse',
    '+padding=64',
    '+ednsopt=65001:abcd',
    '+keepalive',
  ].map((option): Row => [`${option} ${api} A`, 'NOERROR', [A(api, '10.96.0.1')]]),
  [`+ednsflags=0x4000 ${api} A`, 'NOERROR', [A(api, '10.96.0.1')]],
  [`+edns=255 +noednsneg ${api} A`, 'BADVERS'],
  [`${api} HS A`, 'REFUSED'],
  [`${api} CLASS254 A`, 'REFUSED'],
  [`+opcode=STATUS ${api} A`, 'NOTIMP'],
  [`+opcode=UPDATE ${api} A`, 'NOTIMP'],
  // Others' names, by the upstream that is responsible
  ['www.example.test AAAA', 'NOERROR', [AAAA('www.example.test', 'fd00::35')]],
  ['wWw.eXample.test A', 'NOERROR', [A('wWw.eXample.test', '192.0.2.53')]],
  ['missing.example.test A', 'NXDOMAIN', [], { authority: ['example.test.'] }],
  ['www.example.test MX', 'NOERROR', [], { authority: ['example.test.'] }],
  ['b.a.svc.stub.test A', 'NOERROR', [A('b.a.svc.stub.test', '192.0.2.99')]],
  ['stub.test NS', 'NOERROR', ['stub.test. 30 NS ns.dns.stub.test.']],
  ['missing.stub.test A', 'NXDOMAIN', [], { authority: ['stub.test.'] }],
  ['notstub.test A', 'SERVFAIL'],
  ['. NS', 'SERVFAIL'],
];

/** A name as the SOA that came with it names its zone. */
const zones = (authority: readonly string[] = []) => authority.map((record) => record.split(' ')[0]);

for (const { how, address, options } of [
  { how: 'UDP over IPv6', address: '::1', options: '' },
  { how: 'TCP over IPv6', address: '::1', options: '+tcp ' },
  { how: 'UDP over IPv4', address: '127.0.0.1', options: '' },
]) {
  describe(`cluster DNS of both families, asked by dig over ${how}`, () => {
    const ends: TestServer[] = [];
    let answers: Answer[] = [];

    before(async () => {
      const [world, corp] = [await serve(outside), await serve(stub)];
      const routes = {
        upstreams: [{ address: '127.0.0.1', port: world.port }],
        stubs: new Map<NameKey, { address: string; port: number }[]>([
          [nameKey('stub.test') ?? '', [{ address: '127.0.0.1', port: corp.port }]],
        ]),
      };
      const server = await serve(zone, { address: '::', routes: () => routes });
      ends.push(server, world, corp);
      const queries = rows.map(([query]) => options + query);
      answers = await dig(server.port, queries, address);
    });
    after(() => Promise.all(ends.map((each) => each.stop())));

    for (const [index, [query, status, answer = [], more = {}]] of rows.entries()) {
      it(`${query} → ${status}${answer.length > 0 ? ` ${answer.length}` : ''}`, () => {
        const got = answers[index];
        assert.equal(got?.status, status);
        assert.deepEqual(got?.answer, [...answer].sort());
        if (more.additional) assert.deepEqual(got?.additional, [...more.additional].sort());
        if (more.authority) assert.deepEqual(zones(got?.authority), more.authority);
      });
    }
  });
}
