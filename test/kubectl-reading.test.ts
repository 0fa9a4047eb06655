import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from './support/cluster.ts';
import { type KubectlCluster, startKubectlCluster } from './support/kubectl.ts';

let on: KubectlCluster;
const kubectl: KubectlCluster['kubectl'] = (...args) => on.kubectl(...args);
const refused: KubectlCluster['refused'] = (...args) => on.refused(...args);
const linesOf = (text: string) => text.trimEnd().split('\n');
const header = (text: string) =>
  linesOf(text)[0]
    ?.trim()
    .split(/\s{2,}/);

before(async () => {
  on = await startKubectlCluster('t-kc-read');
  await kubectl('create deployment web --image=knit.dev/lab:1 --replicas=3 --port=8080');
  await kubectl('expose deployment web --port=80 --target-port=8080');
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    await kubectl(`create configmap ${name} --from-literal=weight=${'edcba'.indexOf(name)}`);
    await kubectl(`label configmap ${name} tier=${name < 'c' ? 'front' : 'back'} letter=${name}`);
  }
  await kubectl('rollout status deployment/web --timeout=110s');
  await eventually('the Service to have its endpoints', async () =>
    /^Endpoints: +(10\.\S+:8080,?){3}$/m.test(await kubectl('describe service web')),
  );
});
after(() => on?.stop());

test('get prints the columns of Kubernetes, and more of them with -o wide', async () => {
  const pods = await kubectl('get pods');
  assert.deepEqual(header(pods), ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE']);
  assert.match(pods, /^web-[0-9a-f]+-\w{5}\s+1\/1\s+Running\s+0\s+\w+$/m);
  assert.deepEqual(header(await kubectl('get pods -o wide')), [
    ...['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE'],
    ...['IP', 'NODE', 'NOMINATED NODE', 'READINESS GATES'],
  ]);
  assert.deepEqual(header(await kubectl('get nodes -o wide')), [
    ...['NAME', 'STATUS', 'ROLES', 'AGE', 'VERSION', 'INTERNAL-IP', 'EXTERNAL-IP'],
    ...['OS-IMAGE', 'KERNEL-VERSION', 'CONTAINER-RUNTIME'],
  ]);
  assert.match(
    await kubectl('get service web -o wide'),
    /^web\s+ClusterIP\s+10\.\S+\s+<none>\s+80\/TCP\s+\w+\s+app=web$/m,
  );
  assert.match(
    await kubectl('get deployment web -o wide'),
    /^web\s+3\/3\s+3\s+3\s+\w+\s+lab\s+knit\.dev\/lab:1\s+app=web$/m,
  );
});

test('get prints YAML, JSON, JSONPath, custom columns and names', async () => {
  assert.match(
    await kubectl('get configmap a -o yaml'),
    /^apiVersion: v1\ndata:\n {2}weight: "4"\nkind: ConfigMap\nmetadata:/,
  );
  assert.equal(JSON.parse(await kubectl('get configmaps -l tier -o json')).items.length, 5);
  assert.equal(await kubectl('get configmap a -o jsonpath={.data.weight}'), '4');
  const columns = await kubectl('get configmaps -l tier=front -o custom-columns=N:.metadata.name,W:.data.weight');
  assert.deepEqual(linesOf(columns), ['N     W', 'a     4', 'b     3']);
  assert.equal(await kubectl('get configmap a -o name'), 'configmap/a\n');
});

test('get -A shows all namespaces, and get all the kinds of that category', async () => {
  const everywhere = await kubectl('get pods -A');
  assert.match(everywhere, /^NAMESPACE\s+NAME/);
  assert.match(everywhere, /^kube-system\s+knit-dns-/m);
  assert.match(everywhere, /^default\s+web-/m);
  const all = await kubectl('get all');
  for (const kind of ['pod/web-', 'service/web', 'deployment.apps/web', 'replicaset.apps/web-']) {
    assert.ok(all.includes(kind), `${kind} in:\n${all}`);
  }
});

test('get selects by label sets and by fields', async () => {
  const named = async (...selector: string[]) => {
    const found = await kubectl(['get', 'configmaps', '-o', 'jsonpath={.items[*].metadata.name}', ...selector]);
    return found.split(' ').filter((name) => name.length === 1);
  };
  assert.deepEqual(await named('-l', 'letter in (a, c, x)'), ['a', 'c']);
  assert.deepEqual(await named('-l', 'tier,letter notin (a,b,c)'), ['d', 'e']);
  assert.deepEqual(await named('-l', 'tier=back,letter!=d'), ['c', 'e']);
  assert.deepEqual(await named('--field-selector', 'metadata.name=b'), ['b']);
  const node = await kubectl('get pods -l app=web -o jsonpath={.items[0].spec.nodeName}');
  const there = await kubectl(`get pods --field-selector spec.nodeName=${node},status.phase=Running -o name`);
  assert.equal(linesOf(there).length, 1);
});

test('a selector that cannot be is refused in the words of Kubernetes', async () => {
  assert.equal(
    await refused('get pods --field-selector spec.color=red'),
    'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", ' +
      'field selector "spec.color=red": field label not supported: spec.color\n',
  );
  assert.match(
    await refused(['get', 'pods', '-l', 'a in (']),
    /unable to parse requirement: found '', expected: ',' or '\)'/,
  );
});

test('get sorts, and reads long lists in chunks', async () => {
  const sorted = await kubectl('get configmaps -l tier --sort-by=.data.weight -o name');
  assert.deepEqual(
    linesOf(sorted),
    ['e', 'd', 'c', 'b', 'a'].map((name) => `configmap/${name}`),
  );
  const chunked = await kubectl('get configmaps -l tier --chunk-size=2 -o name -v=6');
  assert.equal(linesOf(chunked).length, 5);
  const page = JSON.parse(await kubectl('get --raw /api/v1/namespaces/default/configmaps?limit=2&labelSelector=tier'));
  assert.equal(page.items.length, 2);
  assert.ok(page.metadata.continue);
  const rest = await kubectl(
    `get --raw /api/v1/namespaces/default/configmaps?labelSelector=tier&continue=${encodeURIComponent(page.metadata.continue)}`,
  );
  assert.deepEqual(
    JSON.parse(rest).items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ['c', 'd', 'e'],
  );
});

test('get -w goes on to tell of changes', async () => {
  await kubectl('create configmap watched --from-literal=a=b');
  const watch = on.start('get configmap watched -w --output-watch-events');
  try {
    await watch.until(/^ADDED +watched +1 /m);
    await kubectl(['patch', 'configmap', 'watched', '-p', '{"data":{"b":"c"}}']);
    await watch.until(/^MODIFIED +watched +2 /m);
    await kubectl('delete configmap watched');
    await watch.until(/^DELETED +watched +2 /m);
  } finally {
    await watch.stop();
  }
});

test('what is not there is said in the words of Kubernetes', async () => {
  assert.equal(await refused('get pod nope'), 'Error from server (NotFound): pods "nope" not found\n');
  assert.equal(await refused('get unicorns'), 'error: the server doesn\'t have a resource type "unicorns"\n');
  assert.equal(
    await refused('create configmap x -n nowhere'),
    'error: failed to create configmap: namespaces "nowhere" not found\n',
  );
});

test('describe pod tells its containers, its conditions without stale reasons, and its events', async () => {
  const pod = await kubectl('get pods -l app=web -o jsonpath={.items[0].metadata.name}');
  const text = await eventually('its last event', async () => {
    const description = await kubectl(`describe pod ${pod}`);
    return / Started /.test(description) && description;
  });
  assert.match(text, /^Controlled By: {2}ReplicaSet\/web-[0-9a-f]+$/m);
  assert.match(text, /^Node: +node-\d\/10\.\d+\.\d+\.\d+$/m);
  assert.match(text, /State: +Running\n +Started: /);
  assert.match(text, /^QoS Class: +BestEffort$/m);
  for (const reason of ['Scheduled', 'Pulled', 'Created', 'Started']) {
    assert.match(text, new RegExp(`^ {2}Normal {2}${reason} +\\w+ +(kubelet|default-scheduler) `, 'm'));
  }
  const { status } = await on.cluster.get<{
    status: { conditions: { type: string; status: string; reason?: string; message?: string }[] };
  }>('pod', pod);
  for (const { type, status: holds, reason, message } of status.conditions) {
    assert.deepEqual([type, holds, reason, message], [type, 'True', undefined, undefined]);
  }
});

test('describe deployment, service and node tell their state', async () => {
  const deployment = await kubectl('describe deployment web');
  assert.match(deployment, /^Replicas: +3 desired \| 3 updated \| 3 total \| 3 available \| 0 unavailable$/m);
  assert.match(deployment, /^ {2}Available +True +MinimumReplicasAvailable$/m);
  assert.match(
    deployment,
    /ScalingReplicaSet .*deployment-controller +Scaled up replica set web-[0-9a-f]+ from 0 to 3$/m,
  );
  const service = await kubectl('describe service web');
  assert.match(service, /^Endpoints: +(10\.\S+:8080,?){3}$/m);
  const node = await kubectl('describe node node-1');
  assert.match(node, /^ {2}Ready +True .*KubeletReady +kubelet is posting ready status$/m);
  assert.match(node, /^Non-terminated Pods: +\(\d+ in total\)$/m);
  assert.match(node, /^ {2}cpu +\d+m? \(\d+%\) /m);
});

test('events shows what happened, also of one object', async () => {
  assert.match(await kubectl('events'), /ScalingReplicaSet +Deployment\/web +Scaled up replica set/);
  const own = await kubectl('events --for deployment/web');
  for (const line of linesOf(own).slice(1)) assert.match(line, /Deployment\/web/);
  assert.match(await kubectl('get events --field-selector reason=SuccessfulCreate'), /Created pod: web-/);
});

test('no node is ever found without room while the cluster starts', async () => {
  const failed = await kubectl('get events -A --field-selector reason=FailedScheduling');
  assert.doesNotMatch(failed, /Insufficient|Too many pods/);
});

test('explain describes kinds and fields, nested and recursive', async () => {
  const nested = await kubectl('explain deployment.spec.strategy.rollingUpdate');
  assert.match(
    nested,
    /^GROUP: +apps\nKIND: +Deployment\nVERSION: +v1\n\nFIELD: rollingUpdate <RollingUpdateDeployment>/,
  );
  assert.match(nested, /maxSurge\t<IntOrString>/);
  const recursive = await kubectl('explain pod --recursive');
  assert.match(recursive, /^ {2}spec\t<PodSpec>$/m);
  assert.match(recursive, /^ {6}livenessProbe\t<Probe>$/m);
  assert.match(await refused('explain pod.spec.nope'), /field "nope" does not exist/);
  assert.match(await kubectl('explain pod.spec.nodeName --output=plaintext-openapiv2'), /FIELD: +nodeName <string>/);
});

test('api-resources and api-versions list what is served', async () => {
  const resources = await kubectl('api-resources --api-group=apps -o wide');
  assert.match(
    resources,
    /^deployments +deploy +apps\/v1 +true +Deployment +create,delete,deletecollection,get,list,patch,update,watch +all$/m,
  );
  const versions = linesOf(await kubectl('api-versions'));
  for (const version of ['v1', 'apps/v1', 'batch/v1', 'networking.k8s.io/v1', 'discovery.k8s.io/v1']) {
    assert.ok(versions.includes(version), version);
  }
});

test('version, cluster-info and readyz tell of the cluster', async () => {
  assert.match(await kubectl('version'), /^Client Version: v1\.35\.\d+\n.*\nServer Version: v1\.36\.\d+/);
  assert.match(await kubectl('cluster-info'), /control plane.* is running at .*https:\/\/127\.0\.0\.1:\d+/);
  assert.match(await kubectl('get --raw /readyz?verbose'), /^\[\+\]ping ok\n[\s\S]*readyz check passed/);
  assert.equal(await kubectl('get --raw /readyz'), 'ok');
});

test('auth tells who one is and what one may do', async () => {
  assert.match(await kubectl('auth whoami'), /Username +kubernetes-admin\nGroups +\[.*system:masters.*\]/);
  assert.equal(await kubectl('auth can-i create pods'), 'yes\n');
  const other = await on.cluster.tryKubectl(['auth', 'can-i', 'create', 'pods', '--as=bob']);
  assert.deepEqual([other.code, other.stdout], [1, 'no\n']);
  assert.match(await kubectl('auth can-i --list'), /\*\.\* +\[\] +\[\] +\[\*\]/);
  assert.equal(
    await refused('get pods --as=bob'),
    'Error from server (Forbidden): pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"\n',
  );
});

test('top shows what nodes, pods and containers use', async () => {
  const nodes = linesOf(await kubectl('top nodes --no-headers'));
  assert.equal(nodes.length, 3);
  for (const line of nodes) assert.match(line, /^node-[123] +\d+m +\d+% +\d+Mi +\d+%/);
  const pods = linesOf(await kubectl('top pods -l app=web --no-headers'));
  assert.equal(pods.length, 3);
  for (const line of pods) assert.match(line, /^web-\S+ +\d+m +\d+Mi/);
  assert.match(await kubectl('top pods -n kube-system --containers'), /knit-dns-\S+ +dns +\d+m +\d+Mi/);
});
