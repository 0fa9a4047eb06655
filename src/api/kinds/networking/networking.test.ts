import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Ingress, NetworkPolicy, ServiceCIDR } from '../../types.ts';
import { containsCidr, isCidr } from '../addresses.ts';
import { endpointSlice } from '../discovery/endpoint-slice.ts';
import { created, errorsOf, rowOf, updateErrorsOf } from '../testing.ts';
import { ingress } from './ingress.ts';
import { networkPolicy } from './network-policy.ts';
import { ipAddress, serviceCIDR } from './service-range.ts';

const metadata = { name: 'web', namespace: 'default' };
const policy = (spec: NetworkPolicy['spec']): NetworkPolicy => ({ metadata: { ...metadata }, spec });
const front = (path: object, host = 'shop.example.com'): Ingress => ({
  metadata: { ...metadata },
  spec: {
    rules: [
      {
        host,
        http: { paths: [{ pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } }, ...path }] },
      },
    ],
  },
});
const slice = (address: string, more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: { ...metadata },
  addressType: 'IPv4',
  endpoints: [{ addresses: [address] }],
  ports: [{ port: 8080 }],
  ...more,
});

test('a policy is about what its rules speak of', () => {
  const both = created(networkPolicy, policy({ podSelector: {}, egress: [{ ports: [{ port: 53 }] }] }));
  assert.deepEqual(both.spec?.policyTypes, ['Ingress', 'Egress']);
  assert.equal(both.spec?.egress?.[0]?.ports?.[0]?.protocol, 'TCP');
  assert.deepEqual(created(networkPolicy, policy({ podSelector: {} })).spec?.policyTypes, ['Ingress']);
});

test('a peer says who it is, in one way', () => {
  const from = [
    {},
    { ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/9'] } },
    { podSelector: {}, ipBlock: { cidr: '::/0' } },
  ];
  assert.deepEqual(errorsOf(networkPolicy, policy({ podSelector: {}, ingress: [{ from }] })), [
    'spec.ingress[0].from[0]: Required value: must specify a peer',
    'spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`',
    'spec.ingress[0].from[2]: Forbidden: may not specify both ipBlock and another peer',
  ]);
});

test('ranges know what they contain, in both families', () => {
  assert.ok(containsCidr('10.0.0.0/8', '10.1.0.0/16'));
  assert.ok(!containsCidr('10.0.0.0/8', '11.0.0.0/16'));
  assert.ok(containsCidr('fd00::/8', 'fd00:1::/64'));
  assert.ok(!containsCidr('fd00::/8', '10.0.0.0/8'));
  assert.ok(containsCidr('::ffff:10.0.0.0/104', '::ffff:10.1.0.0/112'));
  assert.deepEqual(['10.0.0.0/33', '10.0.0.0', '10.0.0/8', 'x/8', '10.0.0.0/8/8'].filter(isCidr), []);
});

test('an Ingress says where paths lead', () => {
  assert.deepEqual(errorsOf(ingress, front({ path: '/' })), []);
  assert.deepEqual(errorsOf(ingress, front({ path: 'shop' })), [
    'spec.rules[0].http.paths[0].path: Invalid value: "shop": must be an absolute path',
  ]);
  assert.deepEqual(errorsOf(ingress, front({ path: '/a//b' })), [
    'spec.rules[0].http.paths[0].path: Invalid value: "/a//b": must not contain \'//\'',
  ]);
  assert.deepEqual(errorsOf(ingress, front({ path: '/', pathType: undefined })), [
    'spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified',
  ]);
  assert.deepEqual(errorsOf(ingress, front({ path: '/' }, '10.0.0.1')), [
    'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
  ]);
  assert.deepEqual(errorsOf(ingress, front({ path: '/', backend: {} })), [
    'spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required',
  ]);
});

test('a row shows whom an Ingress answers to', () => {
  const { Class, Hosts, Address, Ports } = rowOf(ingress, front({ path: '/' }));
  assert.deepEqual([Class, Hosts, Address, Ports], ['<none>', 'shop.example.com', '', '80']);
});

test('an EndpointSlice holds addresses of its family that others may be sent to', () => {
  assert.deepEqual(errorsOf(endpointSlice, slice('10.244.1.2')), []);
  assert.deepEqual(errorsOf(endpointSlice, slice('fd00::1')), [
    'endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address',
  ]);
  assert.deepEqual(errorsOf(endpointSlice, slice('169.254.169.254')), [
    'endpoints[0].addresses[0]: Invalid value: "169.254.169.254": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
  ]);
  assert.deepEqual(errorsOf(endpointSlice, slice('10.0.0.1', { endpoints: [{ addresses: [] }] })), [
    'endpoints[0].addresses: Required value: must contain at least 1 address',
  ]);
});

test('an EndpointSlice keeps its family, and shows ports and addresses', () => {
  const object = created(endpointSlice, slice('10.244.1.2'));
  assert.deepEqual(object.ports, [{ port: 8080, name: '', protocol: 'TCP' }]);
  const change = (one: EndpointSlice) => Object.assign(one, { addressType: 'FQDN' });
  assert.deepEqual(updateErrorsOf(endpointSlice, object, change), [
    'addressType: Invalid value: "FQDN": field is immutable',
  ]);
  const { AddressType, Ports, Endpoints } = rowOf(endpointSlice, object);
  assert.deepEqual([AddressType, Ports, Endpoints], ['IPv4', '8080', '10.244.1.2']);
});

test('Service addresses and their ranges are what they say', () => {
  const parentRef = { resource: 'services', namespace: 'default', name: 'web' };
  assert.deepEqual(errorsOf(ipAddress, { metadata: { name: '10.96.0.7' }, spec: { parentRef } }), []);
  assert.equal(rowOf(ipAddress, { spec: { parentRef } }).ParentRef, 'services/default/web');
  const named = (name: string) => errorsOf(ipAddress, { metadata: { name }, spec: { parentRef } });
  assert.deepEqual(named('FD00::7'), [
    'metadata.name: Invalid value: "FD00::7": must be in canonical form ("fd00::7")',
  ]);
  assert.deepEqual(named('::ffff:10.0.0.1'), [
    'metadata.name: Invalid value: "::ffff:10.0.0.1": must not be an IPv4-mapped IPv6 address',
  ]);
  const wrongParent = { resource: 'a/b', name: '..', group: 'A' };
  assert.deepEqual(
    errorsOf(ipAddress, { metadata: { name: '10.96.0.7' }, spec: { parentRef: wrongParent } }).map(
      (error) => error.split(':')[0],
    ),
    ['spec.parentRef.group', 'spec.parentRef.resource', 'spec.parentRef.name'],
  );
});

test('ServiceCIDRs have a range a family, and may get the second one later', () => {
  const range = (...cidrs: string[]) => ({ metadata: { name: 'a' }, spec: { cidrs } });
  const wrong = (...cidrs: string[]) => errorsOf(serviceCIDR, range(...cidrs));
  assert.deepEqual(wrong('10.96.0.0/16', 'fd00:96::/112'), []);
  assert.deepEqual(wrong('10.96.0.0'), [
    'spec.cidrs[0]: Invalid value: "10.96.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
  ]);
  assert.deepEqual(wrong('10.96.0.1/16'), [
    'spec.cidrs[0]: Invalid value: "10.96.0.1/16": must not have bits set beyond the prefix length',
  ]);
  assert.deepEqual(wrong('FD00::/64'), [
    'spec.cidrs[0]: Invalid value: "FD00::/64": must be in canonical form ("fd00::/64")',
  ]);
  assert.match(wrong('10.96.0.0/16', '10.97.0.0/16')[0] ?? '', /may specify no more than one IP for each IP family/);
  const changed = (...cidrs: string[]) =>
    updateErrorsOf(serviceCIDR, range('10.96.0.0/16') as ServiceCIDR, (object) => {
      object.spec = { cidrs };
    });
  assert.deepEqual(changed('10.96.0.0/16', 'fd00:96::/112'), []);
  assert.deepEqual(changed('10.97.0.0/16'), ['spec.cidrs[0]: Invalid value: "10.97.0.0/16": field is immutable']);
});
