import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  CustomObjectsApi,
  KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  makeInformer,
} from '@kubernetes/client-node';
import { cronTabs } from '../src/apiserver/custom-resources/testing.ts';
import { startTestApiServer, type TestApiServer } from '../src/apiserver/testing.ts';
import { run, tryRun } from '../src/kernel/run.ts';
import { eventually } from './support/cluster.ts';

/** Real clients against custom resources. They ask nothing of nodes, and so no cluster is started. */
const tools = join(import.meta.dirname, '../dist/tools');
const crd = 'crontabs.stable.example.com';

let server: TestApiServer;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'knit-custom-'));
  server = await startTestApiServer();
  server.kubeconfig(join(folder, 'kubeconfig'));
});
after(async () => {
  await server?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const options = (input?: string) => ({
  timeoutMs: 60_000,
  input,
  env: { ...process.env, KUBECONFIG: join(folder, 'kubeconfig'), HOME: folder },
});
const kubectl = (command: string, object?: object) =>
  run(join(tools, 'kubectl'), command.split(' '), options(object && JSON.stringify(object)));
const refused = async (command: string, object?: object) =>
  (await tryRun(join(tools, 'kubectl'), command.split(' '), options(object && JSON.stringify(object)))).stderr;
const helm = (command: string) => run(join(tools, 'helm'), command.split(' '), options());

const cronTab = (name: string, spec: object = {}) => ({
  apiVersion: 'stable.example.com/v1',
  kind: 'CronTab',
  metadata: { name, namespace: 'default' },
  spec: { cronSpec: '* * * * *', ...spec },
});

test('a Helm chart brings its definition, and its custom resource comes, changes and goes with it', async () => {
  const chart = join(folder, 'cron');
  for (const each of ['crds', 'templates']) mkdirSync(join(chart, each), { recursive: true });
  writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: cron\nversion: 1.0.0\n');
  writeFileSync(join(chart, 'values.yaml'), 'replicas: 2\n');
  writeFileSync(join(chart, 'crds/crontab.yaml'), JSON.stringify(cronTabs()));
  writeFileSync(
    join(chart, 'templates/crontab.yaml'),
    JSON.stringify(cronTab('of-helm', { replicas: 0 })).replace('"replicas":0', '"replicas":{{ .Values.replicas }}'),
  );
  const replicas = async () => JSON.parse(await kubectl('get ct of-helm -o json')).spec.replicas;
  await helm(`install cron ${chart}`);
  assert.equal(await replicas(), 2);
  await helm(`upgrade cron ${chart} --set replicas=5`);
  assert.equal(await replicas(), 5);
  await helm('rollback cron 1');
  assert.equal(await replicas(), 2);
  await helm('uninstall cron');
  assert.match(await refused('get ct of-helm'), /crontabs.stable.example.com "of-helm" not found/);
  assert.match(await kubectl(`get crd ${crd}`), /crontabs/);
});

test('kubectl applies, shows, explains, scales and waits for custom resources', async () => {
  await kubectl('apply -f -', cronTab('by-kubectl', { items: [{ name: 'a' }] }));
  assert.match(await kubectl('get ct'), /NAME\s+SPEC\s+REPLICAS\s+READY\s+AGE\nby-kubectl\s+\* \* \* \* \*\s+1/);
  assert.match(await kubectl('get all'), /crontab.stable.example.com\/by-kubectl/);
  assert.match(await kubectl('explain crontabs.spec.replicas'), /FIELD: replicas <integer>/);
  assert.match(await kubectl('describe ct by-kubectl'), /Cron Spec: {2}\* \* \* \* \*/);
  assert.match(
    await refused('apply -f -', cronTab('bad', { nope: 1 })),
    /strict decoding error: unknown field "spec.nope"/,
  );
  assert.match(
    await refused('apply -f -', cronTab('bad', { replicas: 99 })),
    /spec.replicas in body should be less than/,
  );
  await kubectl('scale ct by-kubectl --replicas=3');
  assert.equal(await kubectl('get ct by-kubectl -o jsonpath={.spec.replicas}'), '3');
  assert.match(
    (
      await tryRun(
        join(tools, 'kubectl'),
        ['diff', '-f', '-'],
        options(JSON.stringify(cronTab('by-kubectl', { image: 'new' }))),
      )
    ).stdout,
    /\+ {2}image: new/,
  );
  const status = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
  await run(
    join(tools, 'kubectl'),
    ['patch', 'ct', 'by-kubectl', '--subresource=status', '--type=merge', '-p', JSON.stringify(status)],
    options(),
  );
  await kubectl('wait --for=condition=Ready ct/by-kubectl --timeout=20s');
  assert.equal(await kubectl('get ct --field-selector spec.image=other -o name'), '');
  assert.match(await refused('patch ct by-kubectl --type=strategic -p {}'), /not supported|415|unknown format/);
});

test("the official JavaScript client's informer follows custom resources", async () => {
  const config = new KubeConfig();
  config.loadFromFile(join(folder, 'kubeconfig'));
  const api = config.makeApiClient(CustomObjectsApi);
  const what = { group: 'stable.example.com', version: 'v1', namespace: 'default', plural: 'crontabs' };
  const list = async () => (await api.listNamespacedCustomObject(what)) as KubernetesListObject<KubernetesObject>;
  const informer = makeInformer(config, '/apis/stable.example.com/v1/namespaces/default/crontabs', list);
  const seen: string[] = [];
  for (const event of ['add', 'update', 'delete'] as const) {
    informer.on(event, ({ metadata }) => seen.push(`${event} ${metadata?.name}`));
  }
  await informer.start();
  try {
    await api.createNamespacedCustomObject({ ...what, body: cronTab('by-js') });
    await eventually('the creation', async () => seen.includes('add by-js'));
    const body = [{ op: 'replace', path: '/spec/replicas', value: 4 }];
    await api.patchNamespacedCustomObject({ ...what, name: 'by-js', body });
    await eventually('the change', async () => seen.includes('update by-js'));
    await api.deleteNamespacedCustomObject({ ...what, name: 'by-js' });
    await eventually('the end', async () => seen.includes('delete by-js'));
  } finally {
    await informer.stop();
  }
});

test('kubectl deletes a definition with all of its objects', async () => {
  await kubectl(`delete crd ${crd} --timeout=30s`);
  assert.doesNotMatch(await kubectl('api-resources'), /crontabs/);
});
