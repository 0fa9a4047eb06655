/**
 * The measured side, a process of its own: an API server over a durable store, and beside it bare HTTPS servers that
 * write bytes they were given. Arguments: the folder of the store, and how many objects to put into it beforehand.
 */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startTestApiServer } from '../../src/apiserver/testing.ts';
import { wireTo } from '../../src/apiserver/wire.ts';
import { openSqliteStore } from '../../src/store/index.ts';

/** Sent to the parent when it serves. */
export interface Served {
  readonly startMs: number;
  readonly url: string;
  readonly bareUrl: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly token: string;
}

const began = performance.now();
const store = await openSqliteStore(join(process.argv[2]!, 'store.db'));
const api = await startTestApiServer({ store });
const startMs = performance.now() - began;

const identity = await api.certificate('bare', [], ['127.0.0.1']);
/** What the bare server answers under a path. */
const ready = new Map<string, Buffer>();
const watchers = new Set<{ write(bytes: Buffer): unknown }>();
const bare = createServer(identity, async (request, response) => {
  const path = request.url ?? '';
  if (request.method === 'PUT') {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    if (path !== '/event') ready.set(path, bytes);
    else for (const watcher of watchers) watcher.write(bytes);
    response.end();
    return;
  }
  if (path === '/watch') {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    watchers.add(response);
    response.once('close', () => watchers.delete(response));
    return;
  }
  const bytes = ready.get(path) ?? Buffer.from('{}');
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes);
});
await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));

const wire = wireTo(api);
const account = '/api/v1/namespaces/default/serviceaccounts';
await wire.post(account, { metadata: { name: 'bench' } });
await wire.post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
  metadata: { name: 'bench' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
  subjects: [{ kind: 'ServiceAccount', namespace: 'default', name: 'bench' }],
});
const { text } = await wire.post(`${account}/bench/token`, { spec: { expirationSeconds: 3600 } });
const served: Served = {
  startMs,
  url: api.url,
  bareUrl: `https://127.0.0.1:${(bare.address() as AddressInfo).port}`,
  ca: api.ca,
  cert: api.adminCert,
  key: api.adminKey,
  token: JSON.parse(text).status.token,
};
process.send?.(served);
process.once('disconnect', () => process.exit());
