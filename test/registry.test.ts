import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ImageSource } from '../scripts/oci-archive.ts';
import type { Event, Pod } from '../src/api/types.ts';
import { CertificateAuthority } from '../src/cluster/pki.ts';
import { readIdentity } from '../src/cluster/pki-files.ts';
import { eventually, startCluster, type TestCluster } from './support/cluster.ts';
import { type Lan, makeLan } from './support/outside.ts';
import { startRegistry, type TestRegistry } from './support/registry.ts';

/**
 * Images from registries beside this machine, pulled through the uplink: one open, behind a mirror's name; one by HTTPS
 * with a CA of its own, for who has the password.
 */
const scratch = mkdtempSync(join(tmpdir(), 'knit-test-registry-'));
const user = { name: 'ada', password: 'correct horse: battery' };
let lan: Lan;
let open: TestRegistry;
let guarded: TestRegistry;
let cluster: TestCluster;

before(async () => {
  lan = await makeLan('reg-lan');
  open = await startRegistry({ host: lan.machine, images: [image('apps/hello:1')] });
  guarded = await startRegistry({ host: lan.machine, images: [image('apps/vault:1')], user, tls: await certificate() });
  const file = join(scratch, 'cluster.yaml');
  const registries = {
    // The first mirror is away: the second is asked.
    mirrors: { 'registry.test': [`http://${lan.machine}:1`, `http://${lan.machine}:${open.port}`] },
    cas: { [`${lan.machine}:${guarded.port}`]: join(scratch, 'pki/ca.crt') },
  };
  writeFileSync(file, JSON.stringify({ apiVersion: 'knit.dev/v1alpha1', kind: 'Cluster', registries }));
  cluster = await startCluster('t-registry', ['--nodes', '1', '-f', file]);
  await cluster.kubectl([
    ...['create', 'secret', 'docker-registry', 'ada', `--docker-server=${lan.machine}:${guarded.port}`],
    ...[`--docker-username=${user.name}`, `--docker-password=${user.password}`],
  ]);
  await cluster.kubectl([
    ...['create', 'secret', 'docker-registry', 'mallory', `--docker-server=${lan.machine}:${guarded.port}`],
    ...[`--docker-username=${user.name}`, '--docker-password=wrong'],
  ]);
});
after(async () => {
  await cluster?.down();
  await guarded?.stop();
  await open?.stop();
  await lan?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** One static program, and a file that makes each image its own. */
function image(ref: string): ImageSource {
  const root = join(scratch, ref.replaceAll(/\W/g, '-'));
  mkdirSync(join(root, 'bin'), { recursive: true });
  copyFileSync(join(import.meta.dirname, '../dist/images/busybox'), join(root, 'bin/busybox'));
  writeFileSync(join(root, 'name'), ref);
  return { ref, layers: [root], config: { Entrypoint: ['/bin/busybox', 'sleep', '3600'] } };
}

async function certificate(): Promise<{ key: string; cert: string }> {
  const folder = join(scratch, 'pki');
  const authority = await CertificateAuthority.open(folder);
  await authority.identity('registry', { commonName: 'registry', addresses: [lan.machine] });
  return readIdentity(folder, 'registry') ?? assert.fail('no certificate');
}

async function run(name: string, imageRef: string, spec: object = {}): Promise<void> {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: imageRef }], ...spec },
  });
}

const running = (name: string) =>
  cluster.kubectl(['wait', `--for=jsonpath={.status.phase}=Running`, `pod/${name}`, '--timeout=110s']);

async function waiting(name: string): Promise<{ reason?: string; message?: string }> {
  return await eventually(`${name} to have a reason`, async () => {
    const state = (await cluster.get<Pod>('pod', name)).status?.containerStatuses?.[0]?.state?.waiting;
    return state?.reason && state.reason !== 'ContainerCreating' ? state : undefined;
  });
}

async function eventsOf(name: string): Promise<string[]> {
  const { items } = await cluster.get<{ items: Event[] }>('events', `--field-selector=involvedObject.name=${name}`);
  return items.map((event) => `${event.type} ${event.reason} ${event.message}`);
}

test('a mirror is asked in place of the registry that an image names, and the next where it is away', async () => {
  await run('hello', 'registry.test/apps/hello:1');
  await running('hello');
  assert.equal(await cluster.kubectl(['exec', 'hello', '--', '/bin/busybox', 'cat', '/name']), 'apps/hello:1');
  assert.ok(open.requests.some((each) => each.includes('/v2/apps/hello/manifests/1?ns=registry.test as nobody')));
  // Nobody waits for events.
  const events = await eventually('the event of the pull', async () => {
    const all = await eventsOf('hello');
    const isPulled = /^Normal Pulled Successfully pulled image "registry\.test\/apps\/hello:1" in/;
    return all.some((each) => isPulled.test(each)) && all;
  });
  assert.ok(events.includes('Normal Pulling Pulling image "registry.test/apps/hello:1"'), events.join('\n'));
  const [status] = (await cluster.get<Pod>('pod', 'hello')).status?.containerStatuses ?? [];
  assert.match(status?.imageID ?? '', /^registry\.test\/apps\/hello@sha256:[0-9a-f]{64}$/);
});

test('a pull secret opens a registry, whose certificate its own CA vouches for', async () => {
  await run('vault', `${lan.machine}:${guarded.port}/apps/vault:1`, { imagePullSecrets: [{ name: 'ada' }] });
  await running('vault');
  assert.ok(
    guarded.requests.some((each) => each.endsWith('/manifests/1 as ada') || /manifests\/sha256.* as ada/.test(each)),
  );
});

test("a service account's pull secret opens it for its pods", async () => {
  await cluster.kubectl(['create', 'serviceaccount', 'puller']);
  await cluster.kubectl(['patch', 'serviceaccount', 'puller', '-p', '{"imagePullSecrets":[{"name":"ada"}]}']);
  await run('by-account', `${lan.machine}:${guarded.port}/apps/vault:1`, {
    serviceAccountName: 'puller',
    containers: [{ name: 'main', image: `${lan.machine}:${guarded.port}/apps/vault:1`, imagePullPolicy: 'Always' }],
  });
  await running('by-account');
});

test('what cannot be pulled says why, as the kubelet says it', async () => {
  const guardedImage = (reference: string) => `${lan.machine}:${guarded.port}/apps/${reference}`;
  const cases: [string, string, object, RegExp][] = [
    [
      'wrong-password',
      guardedImage('vault:1'),
      { imagePullSecrets: [{ name: 'mallory' }] },
      /401|[Uu]nauthorized|authorization failed/,
    ],
    ['no-password', guardedImage('vault:1'), {}, /401|[Uu]nauthorized|authorization failed|no basic auth/],
    ['no-tag', guardedImage('vault:2'), { imagePullSecrets: [{ name: 'ada' }] }, /not found/],
    ['no-registry', `${lan.machine}:9/apps/hello:1`, {}, /refused/],
    ['no-name', 'no.such.registry.test/apps/hello:1', {}, /no such host|server misbehaving|i\/o timeout|no route/],
  ];
  await Promise.all(
    cases.map(([name, ref, spec]) =>
      run(name, ref, { containers: [{ name: 'main', image: ref, imagePullPolicy: 'Always' }], ...spec }),
    ),
  );
  for (const [name, ref, , reason] of cases) {
    const state = await waiting(name);
    assert.match(state.reason ?? '', /^(ErrImagePull|ImagePullBackOff)$/, name);
    assert.match(state.message ?? '', state.reason === 'ErrImagePull' ? reason : /Back-off pulling image/, name);
    const events = await eventually(`${name} to back off`, async () => {
      const all = await eventsOf(name);
      return all.some((each) => each.startsWith(`Normal BackOff Back-off pulling image "${ref}"`)) && all;
    });
    assert.ok(events.includes('Warning Failed Error: ErrImagePull'), events.join('\n'));
    const failed = events.find((each) => each.startsWith(`Warning Failed Failed to pull image "${ref}"`));
    assert.match(failed ?? events.join('\n'), reason, name);
    assert.equal((await cluster.get<Pod>('pod', name)).status?.phase, 'Pending');
  }
});

test('an image that must not be pulled, and a name that is none', async () => {
  await run('never', 'registry.test/apps/other:1', {
    containers: [{ name: 'main', image: 'registry.test/apps/other:1', imagePullPolicy: 'Never' }],
  });
  assert.equal((await waiting('never')).reason, 'ErrImageNeverPull');
  await run('invalid', 'Upper/CASE:1');
  assert.equal((await waiting('invalid')).reason, 'InvalidImageName');
});

test('a pod whose image appears later starts by itself', async () => {
  await run('late', `${lan.machine}:${guarded.port}/apps/vault:1`, {
    imagePullSecrets: [{ name: 'late' }],
    containers: [{ name: 'main', image: `${lan.machine}:${guarded.port}/apps/vault:1`, imagePullPolicy: 'Always' }],
  });
  await waiting('late');
  await cluster.kubectl([
    ...['create', 'secret', 'docker-registry', 'late', `--docker-server=${lan.machine}:${guarded.port}`],
    ...[`--docker-username=${user.name}`, `--docker-password=${user.password}`],
  ]);
  await running('late');
});
