import assert from 'node:assert/strict';
import { test } from 'node:test';
import { horizontalPodAutoscaler } from './autoscaling/horizontal-pod-autoscaler.ts';
import { builtinKinds } from './index.ts';
import { podDisruptionBudget } from './policy/pod-disruption-budget.ts';
import { clusterRoleBinding, roleBinding } from './rbac/binding.ts';
import { role } from './rbac/role.ts';
import { priorityClass } from './scheduling/priority-class.ts';
import { storageClass } from './storage/storage-class.ts';
import { created, errorsOf, rowOf, updateErrorsOf } from './testing.ts';

const named = { metadata: { name: 'x', namespace: 'default' } };
const rbac = 'rbac.authorization.k8s.io';

test('no two kinds share a name, a path or a short name in their group', () => {
  const seen = new Set<string>();
  for (const kind of builtinKinds) {
    const names = [kind.kind, kind.plural, ...kind.shortNames].map((name) => `${kind.group}/${kind.version} ${name}`);
    for (const name of names) {
      assert.ok(!seen.has(name), name);
      seen.add(name);
    }
  }
});

test('a disruption budget counts in one way', () => {
  assert.deepEqual(errorsOf(podDisruptionBudget, { ...named, spec: { minAvailable: 1, maxUnavailable: '50%' } }), [
    'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":"50%","UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
  ]);
  assert.deepEqual(errorsOf(podDisruptionBudget, { ...named, spec: { minAvailable: '120%' } }), [
    'spec.minAvailable: Invalid value: "120%": must not be greater than 100%',
  ]);
  const { 'Min Available': least, 'Max Unavailable': most } = rowOf(podDisruptionBudget, {
    ...named,
    spec: { minAvailable: 1 },
  });
  assert.deepEqual([least, most], ['1', 'N/A']);
});

test('a binding names a role for good', () => {
  const object = created(roleBinding, {
    ...named,
    roleRef: { apiGroup: '', kind: 'ClusterRole', name: 'view' },
    subjects: [
      { kind: 'User', name: 'jane' },
      { kind: 'ServiceAccount', name: 'web', namespace: 'shop' },
    ],
  });
  assert.deepEqual(roleBinding.validate?.(object, undefined), []);
  const { Role, Users, ServiceAccounts } = rowOf(roleBinding, object);
  assert.deepEqual([Role, Users, ServiceAccounts], ['ClusterRole/view', 'jane', 'shop/web']);
  const [message = ''] = updateErrorsOf(roleBinding, object, (one) => (one.roleRef.name = 'edit'));
  assert.match(message, /^roleRef: Invalid value: .*: cannot change roleRef$/);
});

test('a cluster role binding names cluster roles, and says where its service accounts are', () => {
  const object = {
    metadata: { name: 'x' },
    roleRef: { apiGroup: rbac, kind: 'Role', name: 'view' },
    subjects: [{ kind: 'ServiceAccount', name: 'web' }],
  };
  assert.deepEqual(errorsOf(clusterRoleBinding, object), [
    'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
    'subjects[0].namespace: Required value',
  ]);
});

test('a rule of a role has verbs, groups and resources', () => {
  assert.deepEqual(errorsOf(role, { ...named, rules: [{ verbs: [] }] }), [
    'rules[0].verbs: Required value: verbs must contain at least one value',
    'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
    'rules[0].resources: Required value: resource rules must supply at least one resource',
  ]);
});

test('an autoscaler measures the cpu where nothing is said', () => {
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
  const object = created(horizontalPodAutoscaler, { ...named, spec: { scaleTargetRef, maxReplicas: 5 } });
  assert.deepEqual(horizontalPodAutoscaler.validate?.(object, undefined), []);
  const { Reference, Targets, MinPods, MaxPods } = rowOf(horizontalPodAutoscaler, object);
  assert.deepEqual([Reference, Targets, MinPods, MaxPods], ['Deployment/web', 'cpu: <unknown>/80%', '1', 5]);
  assert.deepEqual(
    errorsOf(horizontalPodAutoscaler, { ...named, spec: { scaleTargetRef, minReplicas: 3, maxReplicas: 2 } }),
    ['spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`'],
  );
});

test('names and values of priority classes leave room for the system', () => {
  assert.deepEqual(errorsOf(priorityClass, { metadata: { name: 'huge' }, value: 2_000_000_000 }), [
    'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
  ]);
  assert.deepEqual(errorsOf(priorityClass, { metadata: { name: 'system-node-critical' }, value: 2_000_001_000 }), []);
});

test('the default storage class shows that it is', () => {
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  const object = created(storageClass, { metadata: { name: 'local', annotations }, provisioner: 'knit.dev/local' });
  assert.equal(rowOf(storageClass, object).Name, 'local (default)');
  assert.deepEqual([object.reclaimPolicy, object.volumeBindingMode], ['Delete', 'Immediate']);
});
