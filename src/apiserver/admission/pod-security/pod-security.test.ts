import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { PodSpec } from '../../../api/types.ts';
import { startTestApiServer } from '../../testing.ts';
import { wireTo } from '../../wire.ts';
import { detailOf, violationsOf } from './evaluate.ts';

type Judged = 'baseline' | 'restricted';

interface Fact {
  readonly annotations?: Record<string, string>;
  readonly spec: PodSpec;
  /** Minor versions by which a level lets it pass or fail: `0-18 25-35`. */
  readonly verdicts: Partial<Record<Judged, { readonly pass?: string; readonly fail?: string }>>;
  /** What Kubernetes' own evaluator (1.36) says of it at the newest version. */
  readonly told?: Partial<Record<Judged, string>>;
}

const facts: readonly Fact[] = JSON.parse(readFileSync(new URL('pods.json', import.meta.url), 'utf8'));

function* minorsOf(ranges: string): Generator<number> {
  for (const range of ranges.split(' ')) {
    const [from = 0, to = 0] = range.split('-').map(Number);
    for (let minor = from; minor <= to; minor++) yield minor;
  }
}

test('every pod of Kubernetes’ own tests is judged as by Kubernetes, by every version of the standards', () => {
  let judged = 0;
  for (const { annotations, spec, verdicts } of facts) {
    for (const [level, { pass, fail }] of Object.entries(verdicts) as [Judged, { pass?: string; fail?: string }][]) {
      for (const [ranges, allowed] of [
        [pass, true],
        [fail, false],
      ] as const) {
        for (const minor of ranges ? minorsOf(ranges) : []) {
          const violations = violationsOf({ level, minor }, { annotations }, spec);
          const what = `${level}:v1.${minor} of ${JSON.stringify({ annotations, spec })}: ${detailOf(violations)}`;
          assert.equal(violations.length === 0, allowed, what);
          judged++;
        }
      }
    }
  }
  assert.ok(judged > 4000, `${judged}`);
});

test('and it is told so in Kubernetes’ words', () => {
  for (const { annotations, spec, told } of facts) {
    for (const level of ['baseline', 'restricted'] as const) {
      const violations = violationsOf({ level, minor: Number.POSITIVE_INFINITY }, { annotations }, spec);
      assert.equal(detailOf(violations), told?.[level] ?? '');
    }
  }
});

test('a namespace holds pods to its level, warns of templates, and tells of pods that it would refuse', async (t) => {
  const server = await startTestApiServer();
  const admin = wireTo(server);
  t.after(async () => {
    admin.close();
    await server.stop();
  });
  const namespace = (name: string, labels: object) => admin.post('/api/v1/namespaces', { metadata: { name, labels } });
  const label = (name: string) => `pod-security.kubernetes.io/${name}`;
  const wrong = await namespace('wrong', { [label('enforce')]: 'strict', [label('warn-version')]: '1.30' });
  assert.equal(wrong.status, 422);
  assert.equal(
    wrong.json.message,
    'Namespace "wrong" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": ' +
      'must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: ' +
      'Invalid value: "1.30": must be "latest" or "v1.x"]',
  );
  assert.equal((await namespace('shop', {})).status, 201);
  const inShop = '/api/v1/namespaces/shop';
  await admin.post(`${inShop}/serviceaccounts`, { metadata: { name: 'default' } });
  const pod = (name: string, more: object = {}) => ({
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'i' }], ...more },
  });
  for (const name of ['a', 'b']) {
    assert.equal((await admin.post(`${inShop}/pods`, pod(name, { hostPID: true }))).status, 201);
  }
  assert.equal((await admin.post(`${inShop}/pods`, pod('c'))).status, 201);

  const enforced = await admin.patch(inShop, 'merge', { metadata: { labels: { [label('enforce')]: 'baseline' } } });
  assert.equal(
    enforced.headers.warning,
    '299 - "existing pods in namespace \\"shop\\" violate the new PodSecurity enforce level \\"baseline:latest\\"", ' +
      '299 - "a (and 1 other pod): host namespaces"',
  );
  const refused = await admin.post(`${inShop}/pods`, pod('d', { hostPID: true, hostNetwork: true }));
  assert.equal(refused.status, 403);
  assert.equal(
    refused.json.message,
    'pods "d" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true, hostPID=true)',
  );
  assert.equal((await admin.post(`${inShop}/pods`, pod('d'))).status, 201);
  // What runs already may end, be labelled and tell its status; another image of it would be another pod.
  assert.equal((await admin.patch(`${inShop}/pods/a`, 'merge', { metadata: { labels: { x: 'y' } } })).status, 200);
  assert.equal((await admin.patch(`${inShop}/pods/a/status`, 'merge', { status: { phase: 'Running' } })).status, 200);
  const image = { spec: { containers: [{ name: 'c', image: 'other' }] } };
  assert.equal((await admin.patch(`${inShop}/pods/a`, 'strategic-merge', image)).status, 403);
  const debug = { spec: { ephemeralContainers: [{ name: 'd', image: 'i', securityContext: { privileged: true } }] } };
  assert.match(
    (await admin.patch(`${inShop}/pods/c/ephemeralcontainers`, 'strategic-merge', debug)).json.message,
    /violates PodSecurity "baseline:latest": privileged \(container "d" must not set securityContext.privileged=true\)/,
  );

  const deployment = (name: string) => ({
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { hostIPC: true, containers: [{ name: 'c', image: 'i' }] },
      },
    },
  });
  const deployments = '/apis/apps/v1/namespaces/shop/deployments';
  const warned = await admin.post(deployments, deployment('web'));
  assert.equal(warned.status, 201, 'templates are not refused');
  assert.equal(
    warned.headers.warning,
    '299 - "would violate PodSecurity \\"baseline:latest\\": host namespaces (hostIPC=true)"',
  );
  await admin.patch(inShop, 'merge', { metadata: { labels: { [label('warn')]: 'privileged' } } });
  assert.equal((await admin.post(deployments, deployment('quiet'))).headers.warning, undefined);
});
