import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HorizontalPodAutoscaler } from '../../types.ts';
import { created, rowOf } from '../testing.ts';
import { horizontalPodAutoscaler as v2 } from './horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalerV1 as v1 } from './v1.ts';

const metadata = { name: 'web', namespace: 'default' };
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const { toStored, fromStored } = v1.storedAs!;
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

test('an autoscaler written as v1 is kept as v2', () => {
  const object = created(v1, {
    metadata,
    spec: { scaleTargetRef, maxReplicas: 5, targetCPUUtilizationPercentage: 70 },
  });
  const stored = toStored(structuredClone(object)) as HorizontalPodAutoscaler;
  assert.deepEqual(v2.validate?.(stored, undefined), []);
  assert.equal(rowOf(v2, stored).Targets, 'cpu: <unknown>/70%');
  assert.deepEqual(plain(fromStored(stored)).spec, plain(object.spec));
});

test('what v1 cannot say survives a way through it', () => {
  const target = { type: 'AverageValue', averageValue: '100Mi' };
  const stored = created(v2, {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata,
    spec: {
      scaleTargetRef,
      maxReplicas: 5,
      metrics: [{ type: 'Resource', resource: { name: 'memory', target } }],
      behavior: { scaleUp: { selectPolicy: 'Min' } },
    },
  });
  assert.deepEqual(plain(toStored(fromStored(structuredClone(stored)))), {
    ...plain(stored),
    metadata: { ...metadata, annotations: {} },
  });
});

test('an annotation that is no specification is refused', () => {
  const annotations = { 'autoscaling.alpha.kubernetes.io/v2-spec': '[' };
  const object = created(v1, { metadata: { ...metadata, annotations }, spec: { scaleTargetRef, maxReplicas: 5 } });
  assert.deepEqual(
    v1.validate?.(object, undefined).map(({ field }) => field),
    ['metadata.annotations[autoscaling.alpha.kubernetes.io/v2-spec]'],
  );
});
