import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from './support/cluster.ts';
import { type KubectlCluster, startKubectlCluster } from './support/kubectl.ts';

let on: KubectlCluster;
const kubectl: KubectlCluster['kubectl'] = (...args) => on.kubectl(...args);
const refused: KubectlCluster['refused'] = (...args) => on.refused(...args);

before(async () => {
  on = await startKubectlCluster('t-kc-write');
});
after(() => on?.stop());

const configMap = (name: string, data: Record<string, string>, labels?: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
  data,
});
/** Without pods of its own, so that tests of writing need not wait for any. */
const deployment = (name: string, spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'c', image: 'knit.dev/lab:1' }] },
    },
    ...spec,
  },
});
const isGone = async (what: string) => (await kubectl(`get ${what} --ignore-not-found -o name`)) === '';

test('apply creates, changes, leaves alone and removes a field', async () => {
  assert.equal(await kubectl('apply -f -', configMap('applied', { a: '1', b: '2' })), 'configmap/applied created\n');
  assert.equal(await kubectl('apply -f -', configMap('applied', { a: '1', b: '2' })), 'configmap/applied unchanged\n');
  assert.equal(await kubectl('apply -f -', configMap('applied', { a: '3' })), 'configmap/applied configured\n');
  assert.equal(await kubectl('get configmap applied -o jsonpath={.data}'), '{"a":"3"}');
});

test('apply takes several documents, a folder with -k, and removes with --prune what is left out', async () => {
  const both = [configMap('one', {}, { set: 'x' }), configMap('two', {}, { set: 'x' })];
  const documents = both.map((each) => JSON.stringify(each)).join('\n---\n');
  assert.equal(await kubectl('apply -f -', documents), 'configmap/one created\nconfigmap/two created\n');
  const pruned = await kubectl('apply -f - --prune -l set=x --prune-allowlist=core/v1/ConfigMap', both[0]);
  assert.equal(pruned, 'configmap/one unchanged\nconfigmap/two pruned\n');
  const folder = join(on.folder, 'kustomized');
  mkdirSync(folder);
  writeFileSync(join(folder, 'kustomization.yaml'), 'namePrefix: my-\nresources: [map.yaml]\n');
  writeFileSync(join(folder, 'map.yaml'), JSON.stringify(configMap('map', { a: 'b' })));
  assert.equal(await kubectl(['apply', '-k', folder]), 'configmap/my-map created\n');
});

test('create makes each of the kinds it knows', async () => {
  assert.equal(await kubectl('create deployment made --image=x --replicas=0'), 'deployment.apps/made created\n');
  assert.equal(await kubectl('create configmap made --from-literal=a=b'), 'configmap/made created\n');
  assert.equal(await kubectl('create secret generic made --from-literal=k=v'), 'secret/made created\n');
  assert.equal(await kubectl('get secret made -o jsonpath={.data.k}'), 'dg==');
  assert.match(await kubectl('describe secret made'), /^Type: {2}Opaque\n[\s\S]*^k: {2}1 bytes$/m);
  assert.equal(await kubectl('create namespace made'), 'namespace/made created\n');
  assert.equal(await kubectl('create serviceaccount made'), 'serviceaccount/made created\n');
  const token = await kubectl('create token made --duration=10m');
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  assert.equal(claims.sub, 'system:serviceaccount:default:made');
  assert.equal(claims.exp - claims.iat, 600);
  assert.match(
    await kubectl(`auth whoami --token=${token.trim()}`),
    /kubernetes-admin|system:serviceaccount:default:made/,
  );
});

test('create says in the words of Kubernetes that a name is taken', async () => {
  await kubectl('create configmap taken');
  assert.equal(
    await refused('create configmap taken'),
    'error: failed to create configmap: configmaps "taken" already exists\n',
  );
  assert.equal(
    await refused('create -f -', configMap('taken', {})),
    'Error from server (AlreadyExists): error when creating "STDIN": configmaps "taken" already exists\n',
  );
});

test('edit writes what the editor leaves, and nothing where it leaves all as it was', async () => {
  await kubectl('create configmap edited --from-literal=word=before');
  const editor = join(on.folder, 'editor.sh');
  writeFileSync(editor, '#!/bin/sh\nsed -i s/before/after/ "$1"\n');
  chmodSync(editor, 0o755);
  const env = { ...process.env, KUBECONFIG: on.cluster.kubeconfig, KUBE_EDITOR: editor };
  const edit = () => on.cluster.kubectl(['edit', 'configmap', 'edited'], { env });
  assert.equal(await edit(), 'configmap/edited edited\n');
  assert.equal(await kubectl('get configmap edited -o jsonpath={.data.word}'), 'after');
  assert.equal(
    (await on.cluster.tryKubectl(['edit', 'configmap', 'edited'], { env })).stderr,
    'Edit cancelled, no changes made.\n',
  );
});

test('patch takes the three kinds of patch', async () => {
  await kubectl('apply -f -', deployment('patched'));
  const patch = (type: string, body: unknown) =>
    kubectl(['patch', 'deployment', 'patched', `--type=${type}`, '-p', JSON.stringify(body)]);
  const images = () => kubectl('get deployment patched -o jsonpath={.spec.template.spec.containers[*].image}');
  const beside = { template: { spec: { containers: [{ name: 'd', image: 'side' }] } } };
  assert.equal(await patch('strategic', { spec: beside }), 'deployment.apps/patched patched\n');
  assert.equal(await images(), 'side knit.dev/lab:1');
  await patch('json', [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'json' }]);
  assert.equal(await images(), 'json knit.dev/lab:1');
  await patch('merge', { spec: { template: { spec: { containers: [{ name: 'c', image: 'only' }] } } } });
  assert.equal(await images(), 'only');
  // What the controller writes meanwhile is a change too.
  await eventually('a patch to change nothing', async () => {
    return (await patch('merge', {})) === 'deployment.apps/patched patched (no change)\n';
  });
});

test('patch --subresource writes the status or the scale and nothing else', async () => {
  await kubectl('apply -f -', deployment('sub'));
  await kubectl(['patch', 'deployment', 'sub', '--subresource=scale', '--type=merge', '-p', '{"spec":{"replicas":0}}']);
  const body = { spec: { paused: true }, status: { conditions: [{ type: 'Own', status: 'True' }] } };
  await kubectl(['patch', 'deployment', 'sub', '--subresource=status', '--type=merge', '-p', JSON.stringify(body)]);
  assert.equal(await kubectl('get deployment sub -o jsonpath={.spec.paused}'), '');
  const scale = JSON.parse(await kubectl('get deployment sub --subresource=scale -o json'));
  assert.deepEqual([scale.kind, scale.status.selector], ['Scale', 'app=sub']);
});

test('replace writes the whole object, --force makes it anew, and an old version is refused', async () => {
  await kubectl('create configmap replaced --from-literal=a=b');
  const old = JSON.parse(await kubectl('get configmap replaced -o json'));
  assert.equal(await kubectl('replace -f -', configMap('replaced', { c: 'd' })), 'configmap/replaced replaced\n');
  assert.equal(await kubectl('get configmap replaced -o jsonpath={.data}'), '{"c":"d"}');
  assert.equal(
    await refused('replace -f -', old),
    'Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on configmaps "replaced": ' +
      'the object has been modified; please apply your changes to the latest version and try again\n',
  );
  assert.match(await kubectl('replace --force -f -', configMap('replaced', {})), /deleted.*\n.*replaced$/m);
  assert.notEqual(await kubectl('get configmap replaced -o jsonpath={.metadata.uid}'), old.metadata.uid);
  assert.equal(
    await refused('replace -f -', configMap('never', {})),
    'Error from server (NotFound): error when replacing "STDIN": configmaps "never" not found\n',
  );
});

test('label and annotate add, refuse to overwrite, overwrite and remove', async () => {
  await kubectl('create configmap marked');
  for (const [verb, done, undone] of [
    ['label', 'labeled', 'unlabeled'],
    ['annotate', 'annotated', 'annotated'],
  ]) {
    assert.equal(await kubectl(`${verb} configmap marked color=red`), `configmap/marked ${done}\n`);
    assert.match(
      await refused(`${verb} configmap marked color=blue`),
      /'?color'? already has a value|--overwrite is false/,
    );
    await kubectl(`${verb} configmap marked color=blue --overwrite`);
    assert.equal(
      await kubectl(
        `get configmap marked -o jsonpath={.metadata.${verb === 'label' ? 'labels' : 'annotations'}.color}`,
      ),
      'blue',
    );
    assert.equal(await kubectl(`${verb} configmap marked color-`), `configmap/marked ${undone}\n`);
  }
  assert.match(
    await refused('label configmap marked color=not/allowed'),
    /a valid label must be an empty string or consist of alphanumeric characters/,
  );
});

test('delete takes names, labels and what is not there', async () => {
  for (const name of ['x1', 'x2', 'x3']) await kubectl('apply -f -', configMap(name, {}, { group: 'x' }));
  assert.equal(await kubectl('delete configmap x1'), 'configmap "x1" deleted from default namespace\n');
  await kubectl('delete configmap -l group=x');
  assert.equal(await kubectl('get configmap -l group=x -o name'), '');
  assert.equal(await refused('delete configmap x1'), 'Error from server (NotFound): configmaps "x1" not found\n');
  await kubectl('delete configmap x1 --ignore-not-found');
});

test('delete waits for finalizers', async () => {
  const held = { ...configMap('held', {}), metadata: { name: 'held', finalizers: ['example.com/hold'] } };
  await kubectl('apply -f -', held);
  await kubectl('delete configmap held --wait=false');
  assert.notEqual(await kubectl('get configmap held -o jsonpath={.metadata.deletionTimestamp}'), '');
  const deleting = on.start('wait --for=delete configmap/held --timeout=110s');
  await kubectl(['patch', 'configmap', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
  assert.equal(await deleting.ended, 0);
  assert.ok(await isGone('configmap/held'));
});

test('delete removes what an object owns in the background, before it in the foreground, and not as orphans', async () => {
  for (const mode of ['background', 'foreground', 'orphan']) {
    await kubectl('apply -f -', deployment(mode));
    const set = await eventually(
      'its replica set',
      async () => (await kubectl(`get replicaset -l app=${mode} -o name`)).trim() || undefined,
    );
    await kubectl(`delete deployment ${mode} --cascade=${mode}`);
    assert.ok(await isGone(`deployment/${mode}`));
    if (mode === 'foreground') assert.ok(await isGone(set));
    if (mode === 'background') await eventually('its replica set to go', () => isGone(set));
    if (mode === 'orphan') {
      assert.equal(await kubectl(`get ${set} -o jsonpath={.metadata.ownerReferences}`), '');
      await kubectl(`delete ${set}`);
    }
  }
});

test('delete namespace takes all that is in it', async () => {
  await kubectl('create namespace full');
  await kubectl('create configmap inside -n full');
  await kubectl('create deployment inside -n full --image=knit.dev/lab:1');
  assert.equal(await kubectl('delete namespace full'), 'namespace "full" deleted\n');
  assert.ok(await isGone('namespace/full'));
});

test('diff shows what apply would change, and exits with 1', async () => {
  await kubectl('apply -f -', configMap('differs', { a: 'old' }));
  assert.equal(await kubectl('diff -f -', configMap('differs', { a: 'old' })), '');
  const changed = await on.cluster.tryKubectl(['diff', '-f', '-'], {
    input: JSON.stringify(configMap('differs', { a: 'new' })),
  });
  assert.equal(changed.code, 1);
  assert.match(changed.stdout, /^- {2}a: old\n\+ {2}a: new$/m);
});

test('--dry-run=server checks and fills in, and writes nothing', async () => {
  assert.equal(
    await kubectl('apply --dry-run=server -f -', configMap('rehearsed', {})),
    'configmap/rehearsed created (server dry run)\n',
  );
  assert.ok(await isGone('configmap/rehearsed'));
  const filled = await kubectl(
    'create deployment dry --image=a --dry-run=server -o jsonpath={.spec.progressDeadlineSeconds}',
  );
  assert.equal(filled, '600');
  assert.match(
    await refused('create -f - --dry-run=server', configMap('Bad_Name', {})),
    /metadata\.name: Invalid value: "Bad_Name"/,
  );
});

test('strict validation names unknown, duplicate and wrong fields', async () => {
  assert.equal(
    await refused('create -f -', { ...configMap('strict', {}), dat: {} }),
    'Error from server (BadRequest): error when creating "STDIN": ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dat"\n',
  );
  assert.equal(
    await refused('create -f -', deployment('strict', { replicas: 'three' })),
    'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32\n',
  );
  assert.equal(
    await kubectl('create --validate=false -f -', { ...configMap('lenient', {}), dat: {} }),
    'configmap/lenient created\n',
  );
  const warned = await on.cluster.tryKubectl(['create', '--validate=warn', '-f', '-'], {
    input: JSON.stringify({ ...configMap('warned', {}), dat: {} }),
  });
  assert.deepEqual([warned.code, warned.stderr], [0, 'Warning: unknown field "dat"\n']);
});

test('what is missing, impossible or immutable is said in the words of Kubernetes', async () => {
  assert.equal(
    await refused('create -f -', { ...deployment('empty'), spec: {} }),
    'The Deployment "empty" is invalid: \n' +
      '* spec.selector: Required value\n' +
      '* spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`\n' +
      '* spec.template.spec.containers: Required value\n',
  );
  assert.equal(
    await refused('create -f -', deployment('unmatched', { selector: { matchLabels: { app: 'other' } } })),
    'The Deployment "unmatched" is invalid: spec.template.metadata.labels: Invalid value: {"app":"unmatched"}: `selector` does not match template `labels`\n',
  );
  await kubectl('apply -f -', deployment('fixed'));
  const moved = { spec: { selector: { matchLabels: { app: 'z' } }, template: { metadata: { labels: { app: 'z' } } } } };
  assert.equal(
    await refused(['patch', 'deployment', 'fixed', '-p', JSON.stringify(moved)]),
    'The Deployment "fixed" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"z"}}: field is immutable\n',
  );
  await kubectl('create service clusterip fixed --tcp=80:80');
  assert.match(
    await refused(['patch', 'service', 'fixed', '-p', '{"spec":{"clusterIP":"10.0.0.1"}}']),
    /The Service "fixed" is invalid: .*: may not change once set/,
  );
});

test('apply --server-side changes what it owns, removes what it gave up, and takes nothing from others unasked', async () => {
  const apply = 'apply --server-side -f -';
  assert.equal(await kubectl(apply, configMap('ssa', { a: '1', b: '1' })), 'configmap/ssa serverside-applied\n');
  await kubectl(`${apply} --field-manager=other`, configMap('ssa', { c: '1' }));
  await kubectl(apply, configMap('ssa', { a: '2' }));
  assert.equal(await kubectl('get configmap ssa -o jsonpath={.data}'), '{"a":"2","c":"1"}');
  assert.match(
    await refused(apply, configMap('ssa', { a: '2', c: '2' })),
    /Apply failed with 1 conflict: conflict with "other": \.data\.c/,
  );
  await kubectl(`${apply} --force-conflicts`, configMap('ssa', { a: '2', c: '2' }));
  assert.equal(await kubectl('get configmap ssa -o jsonpath={.data}'), '{"a":"2","c":"2"}');
  assert.match(await kubectl('get configmap ssa -o yaml --show-managed-fields'), /^ {4}manager: kubectl$/m);
});
