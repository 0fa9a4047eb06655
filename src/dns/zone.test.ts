import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setService, slice, zoneOf } from './fixtures.ts';
import { Type } from './message.ts';
import { addressData, knownNameKey, nameKey, nameText, reverseKey } from './names.ts';

const key = knownNameKey;
const address = (text: string) => addressData(text) ?? '';
const headless = (...endpoints: string[]) => ({ spec: { clusterIP: 'None' }, slices: [slice(endpoints)] });

describe('the zone', () => {
  it('follows a Service as it changes and goes', () => {
    const zone = zoneOf('cluster.local', ['shop'], {});
    const before = zone.size;
    const name = key('web.shop.svc.cluster.local');
    setService(zone, 'shop/web', { spec: { clusterIP: '10.96.0.7', ports: [{ name: 'http', port: 80 }] } });
    assert.deepEqual(zone.lookup(name, Type.A), { kind: 'records', type: Type.A, data: [address('10.96.0.7')] });
    setService(zone, 'shop/web', { spec: { clusterIP: '10.96.0.8' } });
    assert.deepEqual(zone.lookup(name, Type.A), { kind: 'records', type: Type.A, data: [address('10.96.0.8')] });
    assert.equal(zone.lookup(key('7.0.96.10.in-addr.arpa'), Type.PTR).kind, 'elsewhere');
    assert.equal(zone.lookup(key('_tcp.web.shop.svc.cluster.local'), Type.SRV).kind, 'nxdomain');
    zone.setService('shop/web', []);
    assert.equal(zone.lookup(name, Type.A).kind, 'nxdomain');
    assert.equal(zone.size, before);
  });

  it('follows endpoints as they come and go', () => {
    const zone = zoneOf('cluster.local', ['shop'], { 'shop/db': headless('a@10.0.0.1', 'b@10.0.0.2') });
    setService(zone, 'shop/db', headless('b@10.0.0.2', 'c@10.0.0.3'));
    assert.equal(zone.lookup(key('a.db.shop.svc.cluster.local'), Type.A).kind, 'nxdomain');
    const found = zone.lookup(key('db.shop.svc.cluster.local'), Type.A);
    assert.deepEqual(found.kind === 'records' && [...found.data].sort(), ['10.0.0.2', '10.0.0.3'].map(address));
  });

  it('keeps one address’s names apart by Service', () => {
    const zone = zoneOf('cluster.local', ['shop'], {
      'shop/a': headless('x@10.0.0.1'),
      'shop/b': headless('y@10.0.0.1'),
    });
    const ptr = key('1.0.0.10.in-addr.arpa');
    const found = zone.lookup(ptr, Type.PTR);
    assert.equal(found.kind === 'records' && found.data.length, 2);
    zone.setService('shop/a', []);
    assert.deepEqual(zone.lookup(ptr, Type.PTR), {
      kind: 'records',
      type: Type.PTR,
      data: [key('y.b.shop.svc.cluster.local')],
    });
  });

  it('has a namespace’s name while the namespace or one of its Services is there', () => {
    const zone = zoneOf('cluster.local', ['shop'], {});
    const name = key('shop.svc.cluster.local');
    assert.equal(zone.lookup(name, Type.A).kind, 'nodata');
    setService(zone, 'shop/web', { spec: { clusterIP: '10.96.0.7' } });
    zone.setNamespace('shop', false);
    assert.equal(zone.lookup(name, Type.A).kind, 'nodata');
    zone.setService('shop/web', []);
    assert.equal(zone.lookup(name, Type.A).kind, 'nxdomain');
  });

  it('takes an address that stands in two slices once', () => {
    const twice = { spec: { clusterIP: 'None' }, slices: [slice(['10.0.0.1']), slice(['10.0.0.1'])] };
    const zone = zoneOf('cluster.local', ['shop'], { 'shop/db': twice });
    const found = zone.lookup(key('db.shop.svc.cluster.local'), Type.A);
    assert.equal(found.kind === 'records' && found.data.length, 1);
  });
});

describe('names and addresses', () => {
  it('go there and back', () => {
    assert.equal(nameText(key('Web.Default.SVC.')), 'web.default.svc');
    for (const wrong of ['a..b', 'x'.repeat(64), `${'abc.'.repeat(64)}d`, 'ü.b'])
      assert.equal(nameKey(wrong), undefined);
  });

  it('are reversed for PTR questions', () => {
    assert.equal(nameText(reverseKey('10.96.0.1') ?? ''), '1.0.96.10.in-addr.arpa');
    assert.match(nameText(reverseKey('fd00::1') ?? ''), /^1\.0\.0\..*\.d\.f\.ip6\.arpa$/);
  });

  it('are told from what only looks like one', () => {
    for (const wrong of ['1.2.3', '1.2.3.256', '1.2.3.x', ':::', '1::2::3', 'fd00:1', '1:2:3:4:5:6:7:8:9'])
      assert.equal(addressData(wrong), undefined, wrong);
    assert.equal(addressData('::ffff:1.2.3.4')?.length, 16);
  });
});
