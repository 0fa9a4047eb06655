import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from './support/cluster.ts';
import { type KubectlCluster, startKubectlCluster } from './support/kubectl.ts';

let on: KubectlCluster;
const kubectl: KubectlCluster['kubectl'] = (...args) => on.kubectl(...args);
const refused: KubectlCluster['refused'] = (...args) => on.refused(...args);

before(async () => {
  on = await startKubectlCluster('t-kc-nodes');
  await kubectl('create deployment web --image=knit.dev/lab:1 --replicas=3');
  await kubectl('rollout status deployment/web --timeout=110s');
});
after(() => on?.stop());

const podsOn = (node: string) =>
  kubectl(`get pods -l app=web --field-selector spec.nodeName=${node} -o name`).then((text) =>
    text.split('\n').filter(Boolean),
  );

test('cordon keeps new pods away, uncordon lets them come', async () => {
  assert.equal(await kubectl('cordon node-1'), 'node/node-1 cordoned\n');
  assert.equal(await kubectl('cordon node-1'), 'node/node-1 already cordoned\n');
  assert.match(await kubectl('get nodes'), /^node-1 +Ready,SchedulingDisabled /m);
  await eventually('its taint', async () =>
    /^Taints: +node\.kubernetes\.io\/unschedulable:NoSchedule\nUnschedulable: +true$/m.test(
      await kubectl('describe node node-1'),
    ),
  );
  await kubectl('create deployment late --image=knit.dev/lab:1 --replicas=4');
  await kubectl('rollout status deployment/late --timeout=110s');
  assert.doesNotMatch(await kubectl('get pods -l app=late -o wide'), /node-1/);
  assert.equal(await kubectl('uncordon node-1'), 'node/node-1 uncordoned\n');
  assert.match(await kubectl('get nodes'), /^node-1 +Ready +</m);
  await kubectl('delete deployment late');
});

test('drain empties a node, and its pods run elsewhere', async () => {
  const drained = await kubectl('drain node-2 --ignore-daemonsets --delete-emptydir-data --timeout=110s');
  assert.match(drained, /^node\/node-2 cordoned\n[\s\S]*pod\/web-\S+ evicted\n[\s\S]*node\/node-2 drained\n$/);
  assert.deepEqual(await podsOn('node-2'), []);
  await kubectl('rollout status deployment/web --timeout=110s');
  await kubectl('uncordon node-2');
});

test('drain leaves pods that nobody would make anew, and says how to take them too', async () => {
  await kubectl(['run', 'alone', '--image=knit.dev/lab:1', '--overrides', '{"spec":{"nodeName":"node-3"}}']);
  await kubectl('wait --for=condition=Ready pod/alone --timeout=110s');
  assert.match(
    await refused('drain node-3 --timeout=110s'),
    /cannot delete (cannot delete )?Pods that declare no controller \(use --force to override\): default\/alone/,
  );
  assert.match(await kubectl('drain node-3 --force --timeout=110s'), /pod\/alone evicted\n/);
  await kubectl('uncordon node-3');
});

test('a NoSchedule taint keeps pods away that do not tolerate it, and they say why', async () => {
  for (const node of ['node-1', 'node-2', 'node-3']) {
    assert.equal(await kubectl(`taint node ${node} only=few:NoSchedule`), `node/${node} tainted\n`);
  }
  assert.match(await kubectl('describe node node-1'), /^Taints: +only=few:NoSchedule$/m);
  await kubectl('run kept-off --image=knit.dev/lab:1');
  await eventually('it to say why', async () => (await kubectl('describe pod kept-off')).includes('FailedScheduling'));
  assert.match(
    await kubectl('describe pod kept-off'),
    /Warning +FailedScheduling .*default-scheduler +0\/3 nodes are available: 3 node\(s\) had untolerated taint\(s\)\. /,
  );
  assert.match(await kubectl('get pod kept-off'), /^kept-off +0\/1 +Pending +0 /m);
  assert.equal(await kubectl('taint node node-1 only-'), 'node/node-1 untainted\n');
  await kubectl('wait --for=condition=Ready pod/kept-off --timeout=110s');
  await kubectl('taint nodes node-2 node-3 only-');
});

test('a NoExecute taint sends away the pods that are there', async () => {
  await kubectl('rollout status deployment/web --timeout=110s');
  await kubectl('run guest --image=knit.dev/lab:1');
  await kubectl('wait --for=condition=Ready pod/guest --timeout=110s');
  const node = await kubectl('get pod guest -o jsonpath={.spec.nodeName}');
  await kubectl(`taint node ${node} away=now:NoExecute`);
  await kubectl('wait --for=delete pod/guest --timeout=110s');
  await kubectl(`taint node ${node} away-`);
});
