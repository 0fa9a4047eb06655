import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { KnitError } from '../../base/errors.ts';
import { openSqliteStore } from '../../store/index.ts';
import { startTestApiServer } from '../testing.ts';
import { wireTo } from '../wire.ts';
import { readEncryptionConfiguration } from './configuration.ts';
import { secretbox } from './providers.ts';
import { encryptedStore } from './store.ts';

const secrets = '/api/v1/namespaces/default/secrets';
const key = (name: string, filler: number) => ({ name, secret: Buffer.alloc(32, filler).toString('base64') });
const [first, second] = [key('first', 1), key('second', 2)];

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'knit-encryption-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function configure(folder: string, ...providers: object[]): string {
  const path = join(folder, 'encryption.json');
  const document = { kind: 'EncryptionConfiguration', apiVersion: 'apiserver.config.k8s.io/v1' };
  writeFileSync(path, JSON.stringify({ ...document, resources: [{ resources: ['secrets'], providers }] }));
  return path;
}

/** Starts an API server on the folder's store, lets it be used, and stops it; what is on the disk then is returned. */
async function serve(folder: string, providers: object[], use: (wire: ReturnType<typeof wireTo>) => Promise<void>) {
  const inner = await openSqliteStore(join(folder, 'store.db'));
  try {
    const store = encryptedStore(inner, readEncryptionConfiguration(configure(folder, ...providers)));
    const server = await startTestApiServer({ store });
    const wire = wireTo(server);
    await use(wire);
    wire.close();
    await server.stop();
    const { entries } = await inner.list('/registry/core/secrets/default/');
    return { values: entries.map(({ value }) => value), disk: () => readFileSync(join(folder, 'store.db')) };
  } finally {
    await inner.close();
  }
}

test('secrets lie encrypted on the disk, other objects do not, and clients see no difference', async (t) => {
  const { values, disk } = await serve(folderOf(t), [{ aesgcm: { keys: [first] } }, { identity: {} }], async (wire) => {
    await wire.post(secrets, { metadata: { name: 'a' }, stringData: { password: 'correct horse' } });
    await wire.post('/api/v1/namespaces/default/configmaps', {
      metadata: { name: 'a' },
      data: { text: 'battery staple' },
    });
    const { text } = await wire.get(`${secrets}/a`);
    assert.equal(JSON.parse(text).data.password, Buffer.from('correct horse').toString('base64'));
  });
  assert.match(values[0] ?? '', /^k8s:enc:aesgcm:v1:first:/);
  assert.equal(disk().includes(Buffer.from('correct horse').toString('base64')), false);
  assert.equal(disk().includes('battery staple'), true);
});

test('keys are rotated by their order, and a write that changes nothing brings a value under the first', async (t) => {
  const folder = folderOf(t);
  const create = async (wire: ReturnType<typeof wireTo>) => {
    assert.equal((await wire.post(secrets, { metadata: { name: 'a' }, stringData: { a: 'b' } })).status, 201);
  };
  const rewrite = async (wire: ReturnType<typeof wireTo>) => {
    const { text } = await wire.get(`${secrets}/a`);
    assert.equal(JSON.parse(text).data.a, 'Yg==');
    assert.equal((await wire.put(`${secrets}/a`, JSON.parse(text))).status, 200);
  };
  const prefixes = async (providers: object[], use: (wire: ReturnType<typeof wireTo>) => Promise<void>) =>
    (await serve(folder, providers, use)).values.map((value) => /^k8s:enc:\w+:v1:\w+/.exec(value)?.[0] ?? 'plain');
  assert.deepEqual(await prefixes([{ identity: {} }], create), ['plain']);
  const cbc = { aescbc: { keys: [first] } };
  assert.deepEqual(await prefixes([cbc, { identity: {} }], rewrite), ['k8s:enc:aescbc:v1:first']);
  assert.deepEqual(await prefixes([{ aesgcm: { keys: [second] } }, cbc], rewrite), ['k8s:enc:aesgcm:v1:second']);
  const box = { secretbox: { keys: [first] } };
  assert.deepEqual(await prefixes([box, { aesgcm: { keys: [second] } }], rewrite), ['k8s:enc:secretbox:v1:first']);
  assert.deepEqual(await prefixes([{ identity: {} }, box], rewrite), ['plain']);
});

test('a value whose key is gone, or that was moved to another name, stops the server with a word on why', async (t) => {
  const folder = folderOf(t);
  const none = async () => undefined;
  await serve(folder, [{ aesgcm: { keys: [first] } }], async (wire) => {
    await wire.post(secrets, { metadata: { name: 'a' }, stringData: { a: 'b' } });
  });
  const isMissing = (error: unknown) => error instanceof KnitError && error.code === 'ENCRYPTION_KEY_MISSING';
  await assert.rejects(serve(folder, [{ aesgcm: { keys: [second] } }], none), isMissing);
  const inner = await openSqliteStore(join(folder, 'store.db'));
  const [entry] = (await inner.list('/registry/core/secrets/default/')).entries;
  await inner.put('/registry/core/secrets/default/b', entry?.value ?? '', 0);
  await inner.close();
  await assert.rejects(serve(folder, [{ aesgcm: { keys: [first] } }], none), isMissing);
});

test('a wrong file is refused with the place of what is wrong', (t) => {
  const folder = folderOf(t);
  const refused = (pattern: RegExp, ...providers: object[]) =>
    assert.throws(() => readEncryptionConfiguration(configure(folder, ...providers)), pattern);
  refused(/resources\[0\]\.providers\[0\]: kms: there is no such provider here/, { kms: {} });
  refused(/aesgcm\.keys\[0\]\.secret: must be 16, 24 or 32 bytes in base64, is 3/, {
    aesgcm: { keys: [{ name: 'a', secret: 'YWJj' }] },
  });
  refused(/secretbox\.keys\[0\]\.secret: must be 32 bytes in base64, is 16/, {
    secretbox: { keys: [{ name: 'a', secret: Buffer.alloc(16).toString('base64') }] },
  });
  refused(/resources\[0\]\.providers: must be a list that is not empty/);
  assert.throws(() => readEncryptionConfiguration(join(folder, 'nothing')), /ENOENT/);
});

test('a secretbox of another program is read, and none that was changed', () => {
  const key = Buffer.from('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389', 'hex');
  // Made by golang.org/x/crypto/nacl/secretbox, as Kubernetes makes them.
  const text = 'aWlu6VW2K3PNYr2odfxz1oIZ4ANregs3wzFRXkudyU9g5JhL8ronzlPxFigRipSGZe0x37w=';
  const { decrypt } = secretbox('a', key);
  assert.equal(decrypt(text, 'x'), 'correct horse');
  const changed = Buffer.from(text, 'base64');
  changed[30]! ^= 1;
  assert.throws(() => decrypt(changed.toString('base64'), 'x'));
});
