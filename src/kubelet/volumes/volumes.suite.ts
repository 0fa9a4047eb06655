import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { configMaps, persistentVolumeClaims, persistentVolumes, pods, secrets } from '../../api/resource.ts';
import type { PodSpec } from '../../api/types.ts';
import { waitFor } from '../../base/wait.ts';
import { testImage } from '../testing.ts';
import { isReady, startTestNode, type TestNode, testNamespace } from '../testing-node.ts';

let node: TestNode;
before(async () => {
  node = await startTestNode();
});
after(() => node.stop());

/** Runs a shell script in a pod to its end and returns what it printed. */
async function outputOf(name: string, script: string, spec: Partial<PodSpec> = {}): Promise<string> {
  const [first, ...rest] = spec.containers ?? [{ name: 'c' }];
  const container = { ...first, name: 'c', command: ['sh', '-c', `(${script}) 2>&1`] };
  await node.run(name, { restartPolicy: 'Never', ...spec, containers: [container, ...rest] });
  await node.until(name, `${name} to end`, ({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed');
  return await node.log(name, 'c');
}

const metadata = (name: string) => ({ name, namespace: testNamespace });
const mounted = { name: 'c', volumeMounts: [{ name: 'v', mountPath: '/v' }] };
const at = (mountPath: string, more = {}) => [{ name: 'c', volumeMounts: [{ name: 'v', mountPath, ...more }] }];

test('a secret’s keys are files, under the paths and with the modes that were asked for', async () => {
  const data = { user: Buffer.from('alice').toString('base64'), word: Buffer.from('geheim').toString('base64') };
  await node.client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: metadata('login'), data });
  const items = [
    { key: 'user', path: 'who/name' },
    { key: 'word', path: 'word', mode: 0o400 },
  ];
  const output = await outputOf(
    'secret',
    'cat /v/who/name; echo; cat /v/word; echo; stat -Lc %a /v/word /v/who/name; stat -f -c %T /v',
    {
      containers: at('/v', { readOnly: true }),
      volumes: [{ name: 'v', secret: { secretName: 'login', items, defaultMode: 0o444 } }],
    },
  );
  assert.equal(output, 'alice\ngeheim\n400\n444\ntmpfs\n');
});

test('a projected volume holds a token for this pod, and the pod’s own fields', async () => {
  const sources = [
    { serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: 600 } },
    { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.name' } }] } },
  ];
  const output = await outputOf('projected', 'cat /v/labels; echo; cat /v/token', {
    containers: at('/v'),
    volumes: [{ name: 'v', projected: { sources } }],
  });
  const [name, token = ''] = output.split('\n');
  assert.equal(name, 'projected');
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  assert.deepEqual(claims.aud, ['vault']);
  assert.equal(claims['kubernetes.io'].pod.name, 'projected');
});

test('an emptyDir in memory is a tmpfs of its size, and is unmounted with the pod', async () => {
  const pod = await node.run('memory', {
    containers: [{ ...mounted, command: ['sh', '-c', 'df /v; exec sleep 1000'] }],
    volumes: [{ name: 'v', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } }],
    terminationGracePeriodSeconds: 0,
  });
  await node.until('memory', 'the pod to be Ready', isReady);
  const said = async () => /tmpfs\s+8192\s/.test(await node.log('memory', 'c'));
  await waitFor(said, { what: 'its size', timeoutMs: 30_000 });
  await node.client.delete(pods, metadata('memory'));
  const unmounted = async () => !(await readFile('/proc/self/mounts', 'utf8')).includes(pod.metadata?.uid ?? '');
  await waitFor(unmounted, { what: 'the tmpfs to be unmounted', timeoutMs: 30_000 });
});

test('a subPath mounts a part of a volume, and one that leads out of it is refused', async () => {
  await node.client.create(configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadata('site'),
    data: { 'index.html': 'hello' },
  });
  const output = await outputOf('part', 'cat /www/index.html; ls /www', {
    containers: at('/www/index.html', { subPath: 'index.html' }),
    volumes: [{ name: 'v', configMap: { name: 'site' } }],
  });
  assert.equal(output, 'helloindex.html\n');
  const made = await outputOf('makes', 'stat -c "%a %g" /v', {
    securityContext: { fsGroup: 123 },
    containers: at('/v', { subPath: 'new/deep' }),
    volumes: [{ name: 'v', emptyDir: {} }],
  });
  assert.equal(made, '2777 123\n');
  await node.run('escapes', {
    initContainers: [{ ...mounted, name: 'i', image: testImage, command: ['ln', '-s', '/etc', '/v/out'] }],
    containers: [{ name: 'c', volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'out/knit-new' }] }],
    volumes: [{ name: 'v', emptyDir: {} }],
  });
  await node.until('escapes', 'the refusal', ({ status }) => {
    const message = status?.containerStatuses?.[0]?.state?.waiting?.message;
    return message === 'subPath out/knit-new leads out of the volume';
  });
  assert.equal(existsSync('/etc/knit-new'), false);
});

const claimed = { name: 'v', persistentVolumeClaim: { claimName: 'far' } };

/** A claim `far`, bound to a volume that only this node has. */
async function claimOfNode(name: string): Promise<void> {
  const size = { storage: '1Mi' };
  const accessModes = ['ReadWriteOnce'];
  const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'In', values: [name] }];
  await node.client.create(persistentVolumes, {
    metadata: { name: 'far' },
    spec: {
      capacity: size,
      accessModes,
      local: { path: node.rootDir },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
      claimRef: metadata('far'),
    },
  });
  const annotations = { 'pv.kubernetes.io/bind-completed': 'yes' };
  await node.client.create(persistentVolumeClaims, {
    metadata: { ...metadata('far'), annotations },
    spec: { accessModes, resources: { requests: size }, volumeName: 'far' },
  });
}

test('a volume that cannot be made is told as FailedMount', async () => {
  const told = async (name: string, text: string) => {
    const found = async () => (await node.events(name)).find((event) => event.includes(text));
    await waitFor(found, { what: `event ${text}`, timeoutMs: 30_000 });
  };
  const sleeper = [{ ...mounted, command: ['sleep', '1000'] }];
  await node.run('no-map', { containers: sleeper, volumes: [{ name: 'v', configMap: { name: 'nope' } }] });
  await node.run('no-path', {
    containers: sleeper,
    volumes: [{ name: 'v', hostPath: { path: '/nope', type: 'Directory' } }],
  });
  await node.run('no-nfs', { containers: sleeper, volumes: [{ name: 'v', nfs: { server: 'a', path: '/' } }] });
  const start = 'Warning FailedMount MountVolume.SetUp failed for volume "v" : ';
  await claimOfNode('elsewhere');
  await node.run('no-node', { containers: sleeper, volumes: [claimed] });
  await told('no-node', 'FailedMount MountVolume.NodeAffinity check failed for volume "v" : no matching');
  await told('no-map', `${start}configmap "nope" not found`);
  await told('no-path', `${start}hostPath type check failed: /nope is not a directory`);
  await told('no-nfs', `${start}knit does not mount volumes of type nfs yet`);
});

test('a pod’s user, groups and restrictions are those of its security context', async () => {
  const output = await outputOf(
    'secure',
    'id -u; id -g; id -G; stat -c "%g %a" /v; touch /x; grep -E "NoNewPrivs|CapEff|Seccomp:" /proc/self/status',
    {
      securityContext: { runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          ...at('/v')[0],
          name: 'c',
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
      volumes: [{ name: 'v', emptyDir: {} }],
    },
  );
  assert.match(output, /^1000\n2000\n2000 3000\n3000 2777\ntouch: \/x: Read-only file system\n/);
  assert.match(output, /NoNewPrivs:\t1/);
  assert.match(output, /CapEff:\t0000000000000000/);
});

test('a pod that must not run as root does not, whatever its image says', async () => {
  await node.run('rooted', { containers: [{ name: 'c', securityContext: { runAsNonRoot: true } }] });
  await node.until('rooted', 'the refusal', ({ status }) => {
    const { reason, message } = status?.containerStatuses?.[0]?.state?.waiting ?? {};
    return (
      reason === 'CreateContainerConfigError' && message === 'container has runAsNonRoot and image will run as root'
    );
  });
});

test('containers of a pod share its network, and its processes where it asks for that', async () => {
  // Not how many: each connection has a process for as long as it lasts.
  const output = await outputOf('shared', 'wget -qO- http://127.0.0.1:8081/; ps | grep -q "[h]ttpd -f" && echo seen', {
    shareProcessNamespace: true,
    initContainers: [
      {
        name: 'web',
        image: testImage,
        restartPolicy: 'Always',
        command: ['sh', '-c', 'mkdir /www; echo hi > /www/index.html; exec httpd -f -p 8081 -h /www'],
        startupProbe: { tcpSocket: { port: 8081 } },
      },
    ],
    containers: [{ name: 'c' }],
  });
  assert.equal(output, 'hi\nseen\n');
});

test('a pod on the host’s network has the node’s address', async () => {
  await node.run('host', { hostNetwork: true, containers: [{ name: 'c', command: ['sleep', '1000'] }] });
  const pod = await node.until('host', 'the pod to be Ready', isReady);
  assert.equal(pod.status?.podIP, '10.88.0.1');
});
