import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customResourceDefinitions, validatingAdmissionPolicies } from '../api/resource.ts';
import type { CustomResourceDefinition, ValidatingAdmissionPolicy } from '../api/types.ts';
import { startTestCluster, type TestCluster } from './testing.ts';

type Validations = NonNullable<NonNullable<ValidatingAdmissionPolicy['spec']>['validations']>;

/** What is told of a policy about one resource, once it was checked. */
async function checked(cluster: TestCluster, name: string, resource: string, validations: Validations) {
  const [group = '', version = '', plural = ''] = resource.split('/');
  const rule = { apiGroups: [group], apiVersions: [version], resources: [plural], operations: ['*'] };
  const spec = { matchConstraints: { resourceRules: [rule] }, validations };
  await cluster.client.create(validatingAdmissionPolicies, { metadata: { name }, spec });
  const { status, metadata } = await cluster.until('the policy to be checked', async () => {
    const policy = await cluster.client.get(validatingAdmissionPolicies, { name });
    return policy.status?.typeChecking && policy;
  });
  assert.equal(status?.observedGeneration, metadata?.generation);
  return status?.typeChecking?.expressionWarnings ?? [];
}

test('a policy is told where its expressions do not fit the type that it is about', async (t) => {
  const cluster = await startTestCluster(t);
  const deployments = 'apps/v1/deployments';
  const right = [{ expression: 'object.spec.replicas > 1 && object.spec.template.metadata.labels["a"] == "b"' }];
  assert.deepEqual(await checked(cluster, 'right', deployments, right), []);
  assert.deepEqual(await checked(cluster, 'any', '*/*/*', [{ expression: 'object.nope == 1' }]), []);
  const scalers = [{ expression: 'object.spec.targetCPUUtilizationPercentage < "90"' }];
  assert.equal((await checked(cluster, 'other-version', 'autoscaling/v1/horizontalpodautoscalers', scalers)).length, 1);
  assert.deepEqual(await checked(cluster, 'not-served', 'nowhere.test/v1/things', scalers), []);
  const [expression, message, unknown, ...more] = await checked(cluster, 'wrong', deployments, [
    { expression: "object.spec.replicas > '1'", messageExpression: "'got ' + object.spec.replicas" },
    { expression: 'object.spec.replica == oldObject.spec.replicas' },
  ]);
  assert.deepEqual(more, []);
  assert.equal(expression?.fieldRef, 'spec.validations[0].expression');
  assert.match(
    expression.warning,
    /^apps\/v1, Kind=Deployment: .*found no matching overload for '_>_' applied to '\(int, string\)'/,
  );
  assert.equal(message?.fieldRef, 'spec.validations[0].messageExpression');
  assert.match(message.warning, /found no matching overload for '_\+_' applied to '\(string, int\)'/);
  assert.match(unknown?.warning ?? '', /undefined field 'replica'/);
});

test('the same with a custom resource', async (t) => {
  const cluster = await startTestCluster(t);
  const spec = {
    type: 'object',
    properties: { replicas: { type: 'integer' }, of: { type: 'object', properties: {} } },
  };
  const definition: CustomResourceDefinition = {
    metadata: { name: 'crontabs.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { kind: 'CronTab', plural: 'crontabs' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
        },
      ],
    },
  };
  await cluster.client.create(customResourceDefinitions, definition);
  await cluster.until('the definition to be served', async () => {
    const { status } = await cluster.client.get(customResourceDefinitions, { name: 'crontabs.example.com' });
    return status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True');
  });
  const warnings = await checked(cluster, 'crons', 'example.com/v1/crontabs', [
    { expression: 'object.spec.replicas > 1' },
    { expression: 'object.spec.maxRetries < 10' },
  ]);
  assert.equal(warnings.length, 1);
  assert.equal(warnings[0]?.fieldRef, 'spec.validations[1].expression');
  assert.match(warnings[0].warning, /^example.com\/v1, Kind=CronTab: .*undefined field 'maxRetries'/);
});
