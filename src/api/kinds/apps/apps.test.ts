import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, PodTemplateSpec } from '../../types.ts';
import { created, errorsOf, rowOf, updateErrorsOf } from '../testing.ts';
import { daemonSet } from './daemon-set.ts';
import { deployment } from './deployment.ts';
import { replicaSet } from './replica-set.ts';
import { statefulSet } from './stateful-set.ts';

type Spec = NonNullable<Deployment['spec']>;

const metadata = { name: 'web', namespace: 'default' };
const labels = { app: 'web' };
const template = (): PodTemplateSpec => ({
  metadata: { labels },
  spec: { containers: [{ name: 'web', image: 'nginx:1' }] },
});
const web = (spec: Partial<Spec> = {}): Deployment => ({
  metadata: { ...metadata },
  spec: { selector: { matchLabels: labels }, template: template(), ...spec },
});

test('a small Deployment becomes what Kubernetes makes of it', () => {
  const { template: made, selector: _, ...rest } = created(deployment, web()).spec!;
  assert.deepEqual(rest, {
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
  });
  assert.equal(made.spec?.terminationGracePeriodSeconds, 30);
  assert.equal(made.spec?.enableServiceLinks, undefined, 'only pods have it');
});

const wrong: readonly [string, Partial<Spec>, string][] = [
  [
    'a selector that selects other pods',
    { selector: { matchLabels: { app: 'db' } } },
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ],
  ['fewer than no pods', { replicas: -1 }, 'spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
  [
    'an unknown strategy',
    { strategy: { type: 'Canary' } },
    'spec.strategy: Unsupported value: {"Type":"Canary","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
  ],
  [
    'an update that cannot move',
    { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } },
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
  ],
  [
    'pods that end',
    { template: { ...template(), spec: { ...template().spec!, restartPolicy: 'Never' } } },
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ],
];

for (const [what, spec, message] of wrong) {
  test(`refused: ${what}`, () => assert.deepEqual(errorsOf(deployment, web(spec)), [message]));
}

test('a selector stays', () => {
  const change = ({ spec }: Deployment) => {
    spec!.selector = { matchLabels: { tier: 'front' } };
    spec!.template.metadata = { labels: { tier: 'front' } };
  };
  assert.deepEqual(updateErrorsOf(deployment, created(deployment, web()), change), [
    'spec.selector: Invalid value: {"matchLabels":{"tier":"front"}}: field is immutable',
  ]);
});

test('rows show how many pods are wanted, there and ready', () => {
  const object = created(deployment, web({ replicas: 3 }));
  object.status = { replicas: 3, readyReplicas: 2, updatedReplicas: 1, availableReplicas: 2 };
  const row = rowOf(deployment, object);
  assert.deepEqual(
    [row.Ready, row['Up-to-date'], row.Available, row.Containers, row.Images, row.Selector],
    ['2/3', 1, 2, 'web', 'nginx:1', 'app=web'],
  );
  const set = created(replicaSet, { metadata, spec: { ...web().spec!, replicas: 3 }, status: { replicas: 2 } });
  const { Desired, Current, Ready } = rowOf(replicaSet, set);
  assert.deepEqual([Desired, Current, Ready], [3, 2, 0]);
});

test('the other workloads get their defaults', () => {
  const spec = { selector: { matchLabels: labels }, template: template() };
  assert.deepEqual(created(daemonSet, { metadata, spec: structuredClone(spec) }).spec?.updateStrategy, {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
  });
  const stateful = created(statefulSet, { metadata, spec: { ...structuredClone(spec), serviceName: 'web' } });
  assert.equal(stateful.spec?.podManagementPolicy, 'OrderedReady');
  assert.deepEqual(stateful.spec?.updateStrategy, { type: 'RollingUpdate', rollingUpdate: { partition: 0 } });
  assert.deepEqual(
    updateErrorsOf(statefulSet, stateful, (object) => (object.spec!.serviceName = 'db')),
    [
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
  );
  assert.deepEqual(
    updateErrorsOf(statefulSet, stateful, (object) => (object.spec!.replicas = 5)),
    [],
  );
});

test("a StatefulSet's containers mount its claims", () => {
  const mounting = template();
  mounting.spec!.containers[0]!.volumeMounts = [{ name: 'data', mountPath: '/data' }];
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  const spec = { serviceName: 'web', selector: { matchLabels: labels }, template: mounting };
  assert.deepEqual(errorsOf(statefulSet, { metadata, spec: { ...spec, volumeClaimTemplates: [claim] } }), []);
  assert.deepEqual(errorsOf(statefulSet, { metadata, spec }), [
    'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"',
  ]);
});
