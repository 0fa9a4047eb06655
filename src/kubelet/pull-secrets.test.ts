import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registryCredentials } from './pull-secrets.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const secretOf = (auths: object) => ({ data: { '.dockerconfigjson': base64(JSON.stringify({ auths })) } });

const usersFor = async (auths: object, image: string) => {
  const config = { configMap: async () => undefined, secret: async () => secretOf(auths) };
  const pod = { metadata: { namespace: 'shop' }, spec: { containers: [], imagePullSecrets: [{ name: 'pull' }] } };
  return (await registryCredentials(pod, image, config)).map(({ username, password }) => `${username}:${password}`);
};

const auth = (user: string) => ({ auth: base64(`${user}:a:b`) });

test('credentials are those of the image’s registry', async () => {
  const auths = { 'ghcr.io': auth('gh'), 'https://index.docker.io/v1/': auth('hub'), 'reg.test:5000': auth('own') };
  assert.deepEqual(await usersFor(auths, 'ghcr.io/knit/lab:1'), ['gh:a:b']);
  assert.deepEqual(await usersFor(auths, 'nginx'), ['hub:a:b']);
  assert.deepEqual(await usersFor(auths, 'bitnami/redis@sha256:0'), ['hub:a:b']);
  assert.deepEqual(await usersFor(auths, 'reg.test:5000/x'), ['own:a:b']);
  assert.deepEqual(await usersFor(auths, 'reg.test/x'), []);
});

test('the longest path comes first, and a star is one part of a host name', async () => {
  const auths = { 'reg.test': auth('all'), 'reg.test/team': auth('team'), '*.reg.test': auth('star') };
  assert.deepEqual(await usersFor(auths, 'reg.test/team/app:1'), ['team:a:b', 'all:a:b']);
  assert.deepEqual(await usersFor(auths, 'eu.reg.test/app'), ['star:a:b']);
  assert.deepEqual(await usersFor(auths, 'a.eu.reg.test/app'), []);
});

test('credentials name no server: containerd reads one as a URL, and fails at the colon of a port', async () => {
  const config = { configMap: async () => undefined, secret: async () => secretOf({ 'reg.test:5000': auth('own') }) };
  const pod = { metadata: { namespace: 'shop' }, spec: { containers: [], imagePullSecrets: [{ name: 'pull' }] } };
  const [credentials] = await registryCredentials(pod, 'reg.test:5000/x', config);
  assert.deepEqual(credentials, { username: 'own', password: 'a:b', identityToken: '' });
});
