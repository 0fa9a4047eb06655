import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import { type TestContext, test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { certificateSigningRequests as requests } from '../api/resource.ts';
import { startTestCluster } from '../controllers/testing.ts';
import { CertificateAuthority } from './pki.ts';
import { signerOf } from './signer.ts';

const signerName = 'kubernetes.io/kube-apiserver-client';

async function start(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'knit-t-signer-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const authority = await CertificateAuthority.open(folder);
  const cluster = await startTestCluster(t, { signer: signerOf(folder) });
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
