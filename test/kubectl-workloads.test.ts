import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Pod } from '../src/api/types.ts';
import { nodeCgroup } from '../src/cluster/running.ts';
import { cgroupMode, cpuWeight } from '../src/kernel/cgroup.ts';
import { cpuShares, podCgroup } from '../src/kubelet/resources.ts';
import { eventually } from './support/cluster.ts';
import { type KubectlCluster, startKubectlCluster } from './support/kubectl.ts';
import { cpuShareOf } from './support/machine.ts';

let on: KubectlCluster;
const kubectl: KubectlCluster['kubectl'] = (...args) => on.kubectl(...args);
const refused: KubectlCluster['refused'] = (...args) => on.refused(...args);

before(async () => {
  on = await startKubectlCluster('t-kc-work');
  await kubectl('create deployment web --image=knit.dev/lab:1 --replicas=2 --port=8080');
  await kubectl('rollout status deployment/web --timeout=110s');
});
after(() => on?.stop());

const podsOf = async (selector: string) =>
  (await kubectl(`get pods -l ${selector} -o name`)).trim().split('\n').filter(Boolean);
const waitingReason = '-o jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}';

test('scale changes how many pods there are, and keeps off where there are others than expected', async () => {
  assert.equal(await kubectl('scale deployment web --replicas=3'), 'deployment.apps/web scaled\n');
  await kubectl('rollout status deployment/web --timeout=110s');
  assert.equal((await podsOf('app=web')).length, 3);
  assert.equal(
    await refused('scale deployment web --current-replicas=7 --replicas=1'),
    'error: Expected replicas to be 7, was 3\n',
  );
  await kubectl('scale deployment web --current-replicas=3 --replicas=2');
  await eventually('two pods', async () => (await podsOf('app=web')).length === 2);
});

test('patch of a pod’s resize gives running containers other amounts, without a restart unless they ask for one', async () => {
  const resources = { requests: { cpu: '100m', memory: '32Mi' }, limits: { memory: '64Mi' } };
  await on.cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'sized' },
    spec: {
      containers: [
        { name: 'stays', image: 'knit.dev/lab:1', resources },
        {
          name: 'restarts',
          image: 'knit.dev/lab:1',
          command: ['sh', '-c', "trap 'exit 0' TERM; sleep 3600 & wait"],
          resources,
          resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }],
        },
      ],
    },
  });
  await kubectl('wait --for=condition=Ready pod/sized --timeout=110s');
  const resize = (name: string, part: object) => [
    'patch',
    'pod',
    'sized',
    '--subresource=resize',
    '-p',
    JSON.stringify({ spec: { containers: [{ name, resources: part }] } }),
  ];
  await kubectl(resize('stays', { limits: { memory: '96Mi' } }));
  await kubectl(resize('restarts', { limits: { memory: '96Mi' } }));
  const has = (what: string) =>
    kubectl(
      `get pod sized -o jsonpath={.status.containerStatuses[?(@.name=="stays")].${what}},{.status.containerStatuses[?(@.name=="restarts")].${what}}`,
    );
  await eventually('both to have it', async () => (await has('resources.limits.memory')) === '96Mi,96Mi');
  assert.equal(await has('restartCount'), '0,1');
  const limit = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max';
  assert.equal(await kubectl(['exec', 'sized', '-c', 'stays', '--', 'sh', '-c', limit]), `${96 * 1024 * 1024}\n`);

  await kubectl(resize('stays', { requests: { cpu: '5000' } }));
  await kubectl('wait --for=condition=PodResizePending pod/sized --timeout=110s');
  const { conditions } = (await on.cluster.get<Pod>('pod', 'sized')).status ?? {};
  const pending = conditions?.find(({ type }) => type === 'PodResizePending');
  assert.equal(pending?.reason, 'Deferred');
  const short = /^Node didn't have enough resource: cpu, requested: 5000100, used: \d+, capacity: \d+000$/;
  assert.match(pending?.message ?? '', short);
  await kubectl(resize('stays', { requests: { cpu: '50m' } }));
  await eventually('what is possible', async () => (await has('resources.requests.cpu')) === '50m,100m');
  assert.doesNotMatch(await kubectl('get pod sized -o jsonpath={.status.conditions[*].type}'), /PodResize/);
  await eventually('its end to be told', async () => {
    const told = await kubectl('events --for pod/sized');
    return (
      /Normal +ResizeStarted .*Pod resize started: {"containers":\[{"name":"/.test(told) &&
      /Warning +ResizeDeferred .*Pod resize OutOfcpu: .*"error":"Node didn't have enough resource: cpu/.test(told) &&
      /Normal +ResizeCompleted .*Pod resize completed: {.*"generation":\d+}/.test(told)
    );
  });
  // Pods are weighed against each other by what they ask for, and not only the containers of each.
  const pod = await on.cluster.get<Pod>('pod', 'sized');
  const cgroup = podCgroup(`${nodeCgroup(on.cluster.config.name, pod.spec?.nodeName ?? '')}/pods`, pod);
  const shares = cpuShares(150);
  assert.equal(cpuShareOf(cgroup), cgroupMode() === 'v2' ? cpuWeight(shares) : shares);
  assert.match(
    await refused(resize('stays', { limits: { memory: null } })),
    /spec.containers\[0\].resources.limits: Forbidden: resource limits cannot be removed/,
  );
});

test('expose makes a Service that selects the pods of a deployment', async () => {
  assert.equal(
    await kubectl('expose deployment web --port=80 --target-port=8080 --type=NodePort'),
    'service/web exposed\n',
  );
  const { spec } = await on.cluster.get<{ spec: { type: string; selector: object; ports: { nodePort: number }[] } }>(
    'service',
    'web',
  );
  assert.deepEqual([spec.type, spec.selector], ['NodePort', { app: 'web' }]);
  assert.ok((spec.ports[0]?.nodePort ?? 0) >= 30_000);
  await eventually('two endpoints', async () => {
    const found = await kubectl([
      'get',
      'endpointslices',
      '-l',
      'kubernetes.io/service-name=web',
      '-o',
      'jsonpath={.items[*].endpoints[*].addresses[0]}',
    ]);
    return found.split(' ').length === 2;
  });
});

test('set env and set image roll out new pods; history, undo and restart follow', async () => {
  assert.equal(await kubectl('set env deployment/web COLOR=blue'), 'deployment.apps/web env updated\n');
  await kubectl('rollout status deployment/web --timeout=110s');
  // Of several pods kubectl takes the one that has been ready longest: an old one, as long as it is not gone.
  await eventually('a new pod to answer', async () => {
    const color = await kubectl(['exec', 'deployment/web', '--', 'sh', '-c', 'echo $COLOR']);
    return color === 'blue\n';
  });
  assert.match(await kubectl('set env deployment/web --list'), /^COLOR=blue$/m);
  assert.match(await kubectl('rollout history deployment/web'), /^REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>$/m);
  assert.match(await kubectl('rollout history deployment/web --revision=2'), /revision #2\n[\s\S]*COLOR:\s+blue/);
  assert.equal(await kubectl('set image deployment/web lab=knit.dev/lab:never'), 'deployment.apps/web image updated\n');
  assert.match(
    await refused('rollout status deployment/web --timeout=3s'),
    /^error: timed out waiting for the condition$/m,
  );
  assert.equal(await kubectl('rollout undo deployment/web'), 'deployment.apps/web rolled back\n');
  assert.match(
    await kubectl('rollout status deployment/web --timeout=110s'),
    /deployment "web" successfully rolled out/,
  );
  assert.equal(
    await kubectl('get deployment web -o jsonpath={.spec.template.spec.containers[0].image}'),
    'knit.dev/lab:1',
  );
  assert.equal(await kubectl('rollout undo deployment/web --to-revision=1'), 'deployment.apps/web rolled back\n');
  await kubectl('rollout status deployment/web --timeout=110s');
  assert.equal(await kubectl('get deployment web -o jsonpath={.spec.template.spec.containers[0].env}'), '');
  const before = await podsOf('app=web');
  assert.equal(await kubectl('rollout restart deployment/web'), 'deployment.apps/web restarted\n');
  await kubectl('rollout status deployment/web --timeout=110s');
  await eventually('other pods', async () => (await podsOf('app=web')).every((pod) => !before.includes(pod)));
});

test('a paused rollout waits until it is resumed', async () => {
  const revision = () =>
    kubectl([
      'get',
      'deployment',
      'web',
      '-o',
      'jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}',
    ]);
  const before = await revision();
  assert.equal(await kubectl('rollout pause deployment/web'), 'deployment.apps/web paused\n');
  await kubectl('set env deployment/web PAUSED=yes');
  const seen = '-o jsonpath={.status.observedGeneration}/{.metadata.generation}';
  await eventually('the controller to see it', async () => {
    const [observed, generation] = (await kubectl(`get deployment web ${seen}`)).split('/');
    return observed === generation;
  });
  assert.equal(await revision(), before);
  assert.match(await refused('rollout restart deployment/web'), /can't restart paused deployment/);
  assert.equal(await kubectl('rollout resume deployment/web'), 'deployment.apps/web resumed\n');
  assert.match(await kubectl('rollout status deployment/web --timeout=110s'), /successfully rolled out/);
  assert.equal(Number(await revision()), Number(before) + 1);
});

test('wait ends with a condition, a field or a deletion, or says that it gave up', async () => {
  assert.equal(
    await kubectl('wait --for=condition=Available deployment/web --timeout=110s'),
    'deployment.apps/web condition met\n',
  );
  assert.equal(
    await kubectl('wait --for=jsonpath={.status.readyReplicas}=2 deployment/web --timeout=110s'),
    'deployment.apps/web condition met\n',
  );
  assert.equal(
    await refused('wait --for=condition=Never deployment/web --timeout=3s'),
    'error: timed out waiting for the condition on deployments/web\n',
  );
  await kubectl('run leaving --image=knit.dev/lab:1');
  await kubectl('wait --for=condition=Ready pod/leaving --timeout=110s');
  const gone = on.start('wait --for=delete pod/leaving --timeout=110s');
  await kubectl('delete pod leaving --wait=false');
  assert.equal(await gone.ended, 0);
});

test('run makes a pod; with --restart=Never it ends for good, and with --rm it goes', async () => {
  assert.equal(
    await kubectl([
      'run',
      'ends',
      '--image=knit.dev/lab:1',
      '--restart=Never',
      '--command',
      '--',
      'sh',
      '-c',
      'exit 3',
    ]),
    'pod/ends created\n',
  );
  await kubectl('wait --for=jsonpath={.status.phase}=Failed pod/ends --timeout=110s');
  assert.match(await kubectl('get pod ends'), /^ends +0\/1 +Error +0 /m);
  assert.match(await kubectl('describe pod ends'), /State: +Terminated\n +Reason: +Error\n +Exit Code: +3\n/);
  const run = ['run', '-i', '--rm', '--image=knit.dev/lab:1', '--restart=Never', '--quiet'];
  const echoed = await kubectl([...run, 'echo', '--command', '--', 'cat'], 'through the pod\n');
  assert.match(echoed, /^through the pod\n/);
  assert.match(await kubectl([...run, 'brief', '--command', '--', 'echo', 'soon over'], ''), /^soon over\n/);
  await refused([...run, 'fails', '--command', '--', 'sh', '-c', 'read line; exit 4'], 'go\n', 4);
  for (const pod of ['echo', 'brief', 'fails']) assert.equal(await kubectl(`get pod ${pod} --ignore-not-found`), '');
});

test('delete --grace-period=0 --force takes a pod away at once', async () => {
  await kubectl([
    'run',
    'stubborn',
    '--image=knit.dev/lab:1',
    '--command',
    '--',
    'sh',
    '-c',
    'trap "" TERM; while :; do sleep 1; done',
  ]);
  await kubectl('wait --for=condition=Ready pod/stubborn --timeout=110s');
  const { stderr, stdout } = await on.cluster.tryKubectl(['delete', 'pod', 'stubborn', '--grace-period=0', '--force']);
  assert.match(stderr, /^Warning: Immediate deletion does not wait for confirmation/);
  assert.equal(stdout, 'pod "stubborn" force deleted from default namespace\n');
  assert.equal(await kubectl('get pod stubborn --ignore-not-found'), '');
});

test('a job runs to its end', async () => {
  assert.equal(await kubectl('create job hello --image=knit.dev/lab:1 -- echo hello'), 'job.batch/hello created\n');
  await kubectl('wait --for=condition=complete job/hello --timeout=110s');
  assert.equal(await kubectl('logs job/hello'), 'hello\n');
  assert.match(await kubectl('get job hello'), /^hello +Complete +1\/1 /m);
  await kubectl('delete job hello');
  await eventually('its pod to go', async () => (await podsOf('job-name=hello')).length === 0);
});

test('the online boutique is accepted whole, and says as the kubelet does that its images cannot be had', async () => {
  const file = join(import.meta.dirname, 'manifests/online-boutique.yaml');
  await kubectl('create namespace shop');
  const applied = (await kubectl(['apply', '-n', 'shop', '-f', file])).trim().split('\n');
  assert.equal(applied.length, 35);
  for (const line of applied) assert.match(line, / created$/);
  await eventually('a pod of each deployment to be backed off', async () => {
    const reasons = (await kubectl(`get pods -n shop ${waitingReason}`)).split(' ');
    return (
      reasons.length >= 12 &&
      reasons.every((reason) => /^(ErrImagePull|ImagePullBackOff|PodInitializing)$/.test(reason))
    );
  });
  await eventually('a back-off', async () =>
    (await kubectl('get pods -n shop -l app=frontend')).includes('ImagePullBackOff'),
  );
  const text = await eventually('the event of it', async () => {
    const description = await kubectl('describe pod -n shop -l app=frontend');
    return / BackOff /.test(description) && description;
  });
  assert.match(text, /State: +Waiting\n +Reason: +(ImagePullBackOff|ErrImagePull)\n/);
  assert.match(text, /Normal +Pulling .*kubelet +.*Pulling image "\S+\/frontend:\S+"/);
  assert.match(
    text,
    /Warning +Failed .*kubelet +.*Failed to pull image "\S+\/frontend:\S+": .*failed to resolve reference/,
  );
  assert.match(text, /Warning +Failed .*kubelet +.*Error: ErrImagePull/);
  assert.match(text, /Normal +BackOff .*kubelet +.*Back-off pulling image "\S+\/frontend:\S+"/);
  const pod = await kubectl('get pods -n shop -l app=frontend -o name');
  assert.match(
    await refused(`logs -n shop ${pod.trim()}`),
    /^Error from server \(BadRequest\): container "server" in pod "frontend-\S+" is waiting to start: (trying and failing to pull image|image can't be pulled)\n$/,
  );
  await kubectl(['delete', '-n', 'shop', '-f', file]);
  await eventually('nothing to be left', async () => {
    const left = await kubectl('get deployments,replicasets,pods,services,endpointslices -n shop -o name');
    return left === '' && (await kubectl('get serviceaccounts -n shop -o name')) === 'serviceaccount/default\n';
  });
});
