import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ingress, Node, Service } from '../api/types.ts';
import { parsePublication, targetOf, type World } from './publish.ts';

const node = (address: string, ready: string): Node => ({
  status: { addresses: [{ type: 'InternalIP', address }], conditions: [{ type: 'Ready', status: ready }] },
});
const ports = [
  { name: 'dns', port: 53, nodePort: 30053, protocol: 'UDP' },
  { name: 'http', port: 80, nodePort: 30080 },
  { name: 'admin', port: 81, nodePort: 30081 },
];
const service = (ip?: string): Service => ({
  spec: { ports },
  status: { loadBalancer: ip ? { ingress: [{ ip }] } : {} },
});
const world: World = {
  service: (key) => ({ 'shop/web': service('203.0.113.2'), 'default/inner': service() })[key],
  ingress: (key) =>
    key === 'default/web' ? ({ status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } } } as Ingress) : undefined,
  nodes: () => [node('10.89.0.11', 'Unknown'), node('10.89.0.12', 'True')],
};
const targetFor = (text: string) => {
  const target = targetOf(parsePublication(text), world);
  return target && `${target.host}:${target.port}`;
};

test('a port leads to the virtual address of a Service or an Ingress, else to a node port', () => {
  assert.equal(targetFor('8080:service/shop/web'), '203.0.113.2:80');
  assert.equal(targetFor('8080:service/shop/web:admin'), '203.0.113.2:81');
  assert.equal(targetFor('8080:service/shop/web:81'), '203.0.113.2:81');
  assert.equal(targetFor('8080:service/inner'), '10.89.0.12:30080');
  assert.equal(targetFor('8080:ingress/web'), '203.0.113.1:80');
  assert.equal(targetFor('8443:ingress/web:443'), '203.0.113.1:443');
});

test('what is not there, or has no such TCP port, leads nowhere', () => {
  for (const text of ['1:service/none', '1:ingress/none', '1:service/shop/web:dns', '1:service/shop/web:99'])
    assert.equal(targetFor(text), undefined, text);
});

test('what cannot be read is refused with how to write it', () => {
  for (const text of ['web', '8080', '8080:pod/web', '0:service/web', '70000:service/web', '8080:service/'])
    assert.throws(() => parsePublication(text), { code: 'PUBLISH_INVALID', hint: /PORT:ingress/ }, text);
});
