import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readKubeconfig } from './kubeconfig.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

const config = `
apiVersion: v1
kind: Config
current-context: knit
contexts:
- {name: knit, context: {cluster: knit, user: admin}}
- {name: other, context: {cluster: other, user: token}}
- {name: broken, context: {cluster: gone, user: admin}}
clusters:
- name: knit
  cluster: {server: "https://10.0.0.1:6443", certificate-authority-data: ${base64('CA')}, tls-server-name: kubernetes}
- name: other
  cluster: {server: "https://other", insecure-skip-tls-verify: true}
users:
- name: admin
  user: {client-certificate: cert.pem, client-key-data: ${base64('KEY')}}
- name: token
  user: {token: secret}
`;

async function fileWith(t: TestContext, text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'knit-kubeconfig-'));
  t.after(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, 'cert.pem'), 'CERT');
  const path = join(directory, 'config');
  await writeFile(path, text);
  return path;
}

test('inline data and files beside the kubeconfig are read', async (t) => {
  const { server, ca, cert, key, serverName } = await readKubeconfig(await fileWith(t, config));
  assert.deepEqual(
    { server, ca, cert, key, serverName },
    { server: 'https://10.0.0.1:6443', ca: 'CA', cert: 'CERT', key: 'KEY', serverName: 'kubernetes' },
  );
});

test('another context than the current one can be asked for', async (t) => {
  const { server, token, insecureSkipTLSVerify } = await readKubeconfig(await fileWith(t, config), 'other');
  assert.deepEqual(
    { server, token, insecureSkipTLSVerify },
    { server: 'https://other', token: 'secret', insecureSkipTLSVerify: true },
  );
});

test('what is missing is named, with what is there', async (t) => {
  const path = await fileWith(t, config);
  await assert.rejects(readKubeconfig(path, 'nope'), {
    code: 'KUBECONFIG_INVALID',
    hint: 'it has: knit, other, broken',
  });
  await assert.rejects(readKubeconfig(path, 'broken'), { code: 'KUBECONFIG_INVALID', hint: 'it has: knit, other' });
  await assert.rejects(readKubeconfig(await fileWith(t, '')), /no current context/);
});
