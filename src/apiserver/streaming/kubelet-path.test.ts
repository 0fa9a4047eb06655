import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types.ts';
import { kubeletPath, type StreamSubresource } from './kubelet-path.ts';

const podWith = (...names: string[]): Pod => ({
  metadata: { name: 'web', namespace: 'shop' },
  spec: { nodeName: 'n1', containers: names.map((name) => ({ name })), initContainers: [{ name: 'init' }] },
});
const pathOf = (subresource: StreamSubresource, query: string, pod = podWith('c')) =>
  kubeletPath(subresource, pod, new URLSearchParams(query));

test('exec and attach name the streams as the kubelet does', () => {
  assert.equal(
    pathOf('exec', 'command=sh&command=-c&command=a%26b&stdin=true&stdout=1&stderr=false&tty=true'),
    '/exec/shop/web/c?input=1&output=1&tty=1&command=sh&command=-c&command=a%26b',
  );
  assert.equal(pathOf('attach', 'stdout&stderr=true&container=init'), '/attach/shop/web/init?output=1&error=1');
});

test('a log takes its options along, and no others', () => {
  assert.equal(
    pathOf('log', 'follow=true&previous=false&tailLines=5&container=c&pretty=true'),
    '/containerLogs/shop/web/c?follow=true&tailLines=5',
  );
});

test('port-forward has a port only where the old protocol names one', () => {
  assert.equal(pathOf('portforward', ''), '/portForward/shop/web');
  assert.equal(pathOf('portforward', 'ports=80&ports=81'), '/portForward/shop/web?port=80%2C81');
});

test('a container must be one of the pod, and named where there are several', () => {
  const refused = (message: string) => ({ code: 400, message });
  assert.throws(() => pathOf('exec', 'container=x'), refused('container x is not valid for pod web'));
  assert.throws(
    () => pathOf('log', '', podWith('a', 'b')),
    refused('a container name must be specified for pod web, choose one of: [init a b]'),
  );
});

test('a pod without a node has no streams', () => {
  const pod = { ...podWith('c'), spec: { containers: [{ name: 'c' }] } };
  assert.throws(() => pathOf('exec', '', pod), { code: 400, message: 'pod web does not have a host assigned' });
});
