import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenAddress, parseProxyConfiguration } from './configuration.ts';

const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

test('the file that kubeadm writes is read, and what means nothing here is named', () => {
  const configuration = parseProxyConfiguration(
    `${head}bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
conntrack:
  maxPerCore: null
  min: 131072
healthzBindAddress: "[::]:10256"
hostnameOverride: ""
metricsBindAddress: 127.0.0.1:10249
mode: ""
nodePortAddresses: null
winkernel:
  networkName: ""
`,
    'config.conf',
  );
  assert.deepEqual(configuration, {
    kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf',
    nodeName: undefined,
    mode: undefined,
    clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
    nodePortAddresses: [],
    healthz: { host: '::', port: 10256 },
    metrics: { host: '127.0.0.1', port: 10249 },
    unused: ['bindAddress', 'conntrack'],
  });
});

test('another mode, a wrong network and another kind are refused, each by its field', () => {
  const wrong = (text: string) => () => parseProxyConfiguration(text, 'f');
  assert.throws(wrong(`${head}mode: ipvs\n`), { code: 'CONFIGURATION_INVALID', message: /mode: / });
  assert.throws(wrong(`${head}nodePortAddresses: [10.0.0.1/8]\n`), { message: /nodePortAddresses\.0: / });
  assert.throws(wrong('kind: KubeletConfiguration\n'), { message: /apiVersion: [\s\S]*kind: / });
  assert.throws(wrong('a: [\n'), { message: /is no YAML/ });
});

test('an address to listen on has a port, and a host that is an address or left out', () => {
  assert.deepEqual(listenAddress(':10256', 'x'), { port: 10256 });
  assert.equal(listenAddress('', 'x'), undefined);
  for (const text of ['10256', 'localhost:1', '::1:80', '0.0.0.0:70000'])
    assert.throws(() => listenAddress(text, 'x'), text);
});
