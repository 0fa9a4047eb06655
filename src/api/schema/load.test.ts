import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDescriptions, loadSchema } from './load.ts';
import { definitionOf } from './names.ts';
import type { Type } from './schema.ts';

const schema = loadSchema();
const typeOf = (definition: string, field: string): Type | undefined =>
  schema.definition(definition)?.fields.get(field)?.type;

test('models of every group stand under their definition names', () => {
  for (const name of [
    'io.k8s.api.core.v1.Event',
    'io.k8s.api.events.v1.Event',
    'io.k8s.api.discovery.v1.EndpointPort',
    'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
    'io.k8s.api.autoscaling.v1.Scale',
    'io.k8s.api.policy.v1.Eviction',
    'io.k8s.api.rbac.v1.Subject',
    'io.k8s.api.core.v1.TopologySelectorTerm',
    'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta',
    'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps',
    'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService',
  ]) {
    assert.ok(schema.definition(name), name);
  }
});

test('quantities, times and ports have their own types', () => {
  const core = 'io.k8s.api.core.v1';
  assert.deepEqual(typeOf(`${core}.ResourceRequirements`, 'limits'), {
    kind: 'map',
    values: { kind: 'scalar', scalar: 'Quantity' },
  });
  assert.deepEqual(typeOf(`${core}.ServicePort`, 'targetPort'), { kind: 'scalar', scalar: 'IntOrString' });
  assert.deepEqual(typeOf('io.k8s.api.coordination.v1.LeaseSpec', 'renewTime'), {
    kind: 'scalar',
    scalar: 'MicroTime',
  });
  assert.deepEqual(typeOf(`${core}.Secret`, 'data'), { kind: 'map', values: { kind: 'scalar', scalar: 'bytes' } });
});

test('names that the generator escaped have their own spelling', () => {
  assert.ok(typeOf('io.k8s.api.networking.v1.NetworkPolicyIngressRule', 'from'));
  assert.ok(typeOf('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta', 'continue'));
});

test('fields carry how they are merged and whether they are required', () => {
  const field = schema.definition('io.k8s.api.core.v1.PodSpec')?.fields.get('containers');
  assert.equal(field?.facts.patchMergeKey, 'name');
  assert.equal(field?.required, true);
});

test('a kind of Kubernetes is found by its apiVersion', () => {
  assert.equal(definitionOf(schema, 'v1', 'Pod'), 'io.k8s.api.core.v1.Pod');
  assert.equal(definitionOf(schema, 'rbac.authorization.k8s.io/v1', 'Role'), 'io.k8s.api.rbac.v1.Role');
  assert.equal(definitionOf(schema, 'apps/v1', 'DeleteOptions'), 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions');
  assert.equal(definitionOf(schema, 'example.com/v1', 'Thing'), undefined);
});

test('descriptions are plain text', () => {
  const [text, fields] = loadDescriptions()['io.k8s.api.core.v1.ContainerPort']!;
  assert.equal(text, 'ContainerPort represents a network port in a single container.');
  assert.match(fields.protocol!, /Defaults to "TCP"\.$/);
});
