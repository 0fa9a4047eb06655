import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Service } from '../../api/types.ts';
import { nodeProxyPlace, podProxyPlace, serviceProxyPlace } from './proxy-target.ts';

const service: Service = {
  metadata: { name: 'web' },
  spec: {
    ports: [
      { name: 'http', port: 80 },
      { name: 'metrics', port: 9090 },
    ],
  },
};
const slice: EndpointSlice = {
  addressType: 'IPv4',
  endpoints: [
    { addresses: ['10.0.0.1'] },
    { addresses: ['10.0.0.2'], conditions: { ready: false } },
    { addresses: ['10.0.0.3'], conditions: { ready: true } },
  ],
  ports: [
    { name: 'http', port: 8080 },
    { name: 'metrics', port: 9091 },
  ],
};

test('a Service leads to one of its ready endpoints, by the name or number of its port', () => {
  const place = (text: string, random: number) => serviceProxyPlace(service, [slice], text, random);
  assert.deepEqual(place('web:http', 0), { scheme: 'http', host: '10.0.0.1', port: 8080 });
  assert.deepEqual(place('https:web:9090', 0.99), { scheme: 'https', host: '10.0.0.3', port: 9091 });
});

test('a Service of one port needs none to be named', () => {
  const single: Service = { metadata: { name: 'one' }, spec: { ports: [{ port: 80 }] } };
  const slices = [{ ...slice, ports: [{ port: 8000 }] }];
  assert.equal(serviceProxyPlace(single, slices, 'one', 0).port, 8000);
});

test('a Service without ready endpoints or the port is unavailable', () => {
  const unavailable = (message: string) => ({ code: 503, message });
  assert.throws(
    () => serviceProxyPlace(service, [], 'web:80'),
    unavailable('no endpoints available for service "web"'),
  );
  assert.throws(
    () => serviceProxyPlace(service, [slice], 'web:81'),
    unavailable('no service port "81" found for service "web"'),
  );
});

test('a pod leads to its address, at the port that is asked for or its first', () => {
  const pod = {
    spec: { containers: [{ name: 'c', ports: [{ containerPort: 3000 }] }] },
    status: { podIP: '10.0.0.9' },
  };
  assert.deepEqual(podProxyPlace(pod, 'p'), { scheme: 'http', host: '10.0.0.9', port: 3000 });
  assert.deepEqual(podProxyPlace(pod, 'https:p:8443'), { scheme: 'https', host: '10.0.0.9', port: 8443 });
  assert.throws(() => podProxyPlace({ ...pod, status: {} }, 'p'), { code: 400, message: 'address not allowed' });
  assert.throws(() => podProxyPlace(pod, 'p:http'), { code: 400, message: 'invalid port in pod "p:http"' });
});

test('a node leads to its kubelet', () => {
  const node = { status: { addresses: [{ type: 'InternalIP', address: '10.89.0.11' }] } };
  assert.deepEqual(nodeProxyPlace(node, 'n1'), { scheme: 'https', host: '10.89.0.11', port: 10250, kubelet: true });
  assert.deepEqual(nodeProxyPlace(node, 'n1:9100'), { scheme: 'http', host: '10.89.0.11', port: 9100 });
});
