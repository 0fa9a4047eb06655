import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import { type TestContext, test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { certificateSigningRequests as requests, secrets } from '../api/resource.ts';
import type { TestOptions } from '../apiserver/testing.ts';
import type { Client } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import { createClient } from '../client/requests.ts';
import { startTestCluster } from '../controllers/testing.ts';
import { joiningRoles } from './joining.ts';
import { CertificateAuthority } from './pki.ts';
import { signerOf } from './signer.ts';

const signerName = 'kubernetes.io/kube-apiserver-client';

async function start(t: TestContext, server: TestOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'knit-t-signer-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const authority = await CertificateAuthority.open(folder);
  const cluster = await startTestCluster(t, { signer: signerOf(folder) }, server);
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=jane,O=developers',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  const request = Buffer.from(made.toString('pem')).toString('base64');
  const approve = async (name: string): Promise<void> => {
    const present = await cluster.client.get(requests, { name });
    const conditions = [{ type: 'Approved', status: 'True', reason: 'KubectlApprove', message: 'yes' }];
    const body = JSON.stringify({ ...present, status: { conditions } });
    await cluster.client.raw('PUT', `/apis/certificates.k8s.io/v1/certificatesigningrequests/${name}/approval`, body);
  };
  return { ...cluster, authority, request, approve };
}

test('a request that was approved is signed by the cluster’s CA, for whom and what it asks', async (t) => {
  const { client, until, authority, request, approve } = await start(t);
  const expirationSeconds = 3600;
  const spec = { request, signerName, usages: ['client auth'], expirationSeconds, username: 'somebody else' };
  const made = await client.create(requests, { metadata: { name: 'jane' }, spec });
  assert.equal(made.spec?.username, 'kubernetes-admin', 'who asks, the server says');
  await approve('jane');
  const pem = await until(
    'the certificate',
    async () => (await client.get(requests, { name: 'jane' })).status?.certificate,
  );
  const certificate = new X509Certificate(Buffer.from(pem, 'base64'));
  assert.ok(certificate.verify(new X509Certificate(authority.cert).publicKey));
  assert.equal(certificate.subject, 'CN=jane\nO=developers');
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.equal(
    new x509.X509Certificate(certificate.raw).getExtension('2.5.29.15'),
    null,
    'no usage of the key is forbidden',
  );
  const lasts = Date.parse(certificate.validTo) - Date.now();
  assert.ok(lasts > 0 && lasts <= expirationSeconds * 1000);
});

test('a request for more than its signer gives fails, and says why', async (t) => {
  const { client, until, request, approve } = await start(t);
  const spec = { request, signerName, usages: ['client auth', 'server auth'] };
  await client.create(requests, { metadata: { name: 'jane' }, spec });
  await approve('jane');
  const failed = await until('the failure', async () => {
    const { status } = await client.get(requests, { name: 'jane' });
    return status?.conditions?.find(({ type }) => type === 'Failed');
  });
  assert.equal(failed.message, 'usages must not include server auth');
});

test('who joins with a bootstrap token gets the certificate of a kubelet, and that kubelet renews it', async (t) => {
  const { client, until, server } = await start(t, { roles: joiningRoles });
  const token = 'abcdef.0123456789abcdef';
  const [id = '', secret = ''] = token.split('.');
  await client.create(secrets, {
    metadata: { namespace: 'kube-system', name: `bootstrap-token-${id}` },
    type: 'bootstrap.kubernetes.io/token',
    stringData: { 'token-id': id, 'token-secret': secret, 'usage-bootstrap-authentication': 'true' },
  });
  const as = (identity: { token?: string; cert?: string; key?: string }) => {
    const transport = httpsTransport({ server: server.url, ca: server.ca, ...identity });
    t.after(() => transport.close());
    return createClient(transport);
  };
  const ask = async (asking: Client, name: string, commonName: string): Promise<void> => {
    const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const made = await x509.Pkcs10CertificateRequestGenerator.create({
      name: `CN=${commonName},O=system:nodes`,
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    });
    const spec = {
      request: Buffer.from(made.toString('pem')).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['digital signature', 'client auth'],
    };
    await asking.create(requests, { metadata: { name }, spec });
  };
  const approval = (name: string) =>
    until('the certificate', async () => {
      const { status } = await client.get(requests, { name });
      return status?.certificate && status.conditions?.[0]?.message;
    });
  await ask(as({ token }), 'joining', 'system:node:far');
  assert.equal(await approval('joining'), 'Auto approving kubelet client certificate after SubjectAccessReview.');
  await ask(as(await server.certificate('system:node:far', ['system:nodes'])), 'renewing', 'system:node:far');
  assert.equal(await approval('renewing'), 'Auto approving self kubelet client certificate after SubjectAccessReview.');
  // Who may ask, but not have it unasked, waits for somebody's word. (The request after it is worked on after it.)
  const binding = {
    metadata: { name: 'asks' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node-bootstrapper' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
  };
  await client.raw('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', JSON.stringify(binding));
  await ask(as(await server.certificate('jane')), 'foreign', 'system:node:other');
  await ask(as({ token }), 'again', 'system:node:far');
  await approval('again');
  assert.equal((await client.get(requests, { name: 'foreign' })).status, undefined);
});
