import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Autopath } from './autopath.ts';
import { serve, type TestServer, zoneOf } from './fixtures.ts';
import { knownNameKey, labelsOf, type NameKey, nameKey } from './names.ts';
import { dig, type Row } from './testing-dig.ts';

const zone = zoneOf('cluster.local', ['default', 'shop'], {
  'default/kubernetes': { spec: { clusterIP: '10.96.0.1' } },
  'shop/out': { spec: { type: 'ExternalName', externalName: 'www.example.test' } },
  'shop/example': { spec: { clusterIP: '10.96.0.2' } },
});
const outside = zoneOf('example.test', [], {});
outside.setService('x/www', [{ name: knownNameKey('www.example.test'), type: 1, data: '\xc0\x00\x02\x35' }]);

/** As the pods of the namespace `pay` search, whose nodes have `office.test` in their resolv.conf. */
const autopath: Autopath = {
  candidates(name) {
    const labels = labelsOf(name);
    const at = labels.indexOf('pay');
    if (at < 1) return [];
    const asked = labels.slice(0, at).join('.');
    return ['.svc.cluster.local', '.cluster.local', '.example.test', ''].map(
      (rest) => nameKey(asked + rest) as NameKey,
    );
  },
};

const pay = (name: string) => `${name}.pay.svc.cluster.local`;
const CNAME = (name: string, target: string) => `${name}. 30 CNAME ${target}.`;

const rows: Row[] = [
  [
    `${pay('kubernetes.default')} A`,
    'NOERROR',
    [
      CNAME(pay('kubernetes.default'), 'kubernetes.default.svc.cluster.local'),
      'kubernetes.default.svc.cluster.local. 30 A 10.96.0.1',
    ],
  ],
  // It is there, though not of this type: nobody else is to be asked.
  [
    `${pay('kubernetes.default')} AAAA`,
    'NOERROR',
    [CNAME(pay('kubernetes.default'), 'kubernetes.default.svc.cluster.local')],
  ],
  [
    `${pay('kubernetes.default.svc')} A`,
    'NOERROR',
    [
      CNAME(pay('kubernetes.default.svc'), 'kubernetes.default.svc.cluster.local'),
      'kubernetes.default.svc.cluster.local. 30 A 10.96.0.1',
    ],
  ],
  [
    `${pay('out.shop')} A`,
    'NOERROR',
    [
      CNAME(pay('out.shop'), 'out.shop.svc.cluster.local'),
      CNAME('out.shop.svc.cluster.local', 'www.example.test'),
      'www.example.test. 30 A 192.0.2.53',
    ],
  ],
  [`${pay('www')} A`, 'NOERROR', [CNAME(pay('www'), 'www.example.test'), 'www.example.test. 30 A 192.0.2.53']],
  [
    `${pay('www.example.test')} A`,
    'NOERROR',
    [CNAME(pay('www.example.test'), 'www.example.test'), 'www.example.test. 30 A 192.0.2.53'],
  ],
  [`${pay('www.example.test')} AAAA`, 'NOERROR', [CNAME(pay('www.example.test'), 'www.example.test')]],
  // A namespace's name is no answer, and what is behind it is searched for.
  [`${pay('shop')} A`, 'NXDOMAIN'],
  [`${pay('missing.example.test')} A`, 'NXDOMAIN'],
  [`${pay('missing.unreachable')} A`, 'NXDOMAIN'],
  // Others' search paths, and names that begin none.
  ['www.example.test.other.svc.cluster.local A', 'NXDOMAIN'],
  ['pay.svc.cluster.local A', 'NXDOMAIN'],
];

describe('autopath', () => {
  let world: TestServer;
  let server: TestServer;
  before(async () => {
    world = await serve(outside);
    server = await serve(zone, { upstreams: [{ address: '127.0.0.1', port: world.port }], autopath });
  });
  after(() => Promise.all([server.stop(), world.stop()]));

  it('answers the first question of a search with what the last would have found', async () => {
    const answers = await dig(
      server.port,
      rows.map(([query]) => query),
    );
    for (const [index, [query, status, answer = []]] of rows.entries()) {
      assert.equal(answers[index]?.status, status, query);
      assert.deepEqual(answers[index]?.answer, [...answer].sort(), query);
    }
    assert.equal(server.metrics.autopaths, rows.filter(([, status]) => status === 'NOERROR').length);
  });
});
