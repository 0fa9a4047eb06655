import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ClusterRole, KubeObject, Role, RoleBinding } from '../../../api/types.ts';
import { openMemoryStore } from '../../../store/memory.ts';
import { startTestApiServer } from '../../testing.ts';
import { wireTo } from '../../wire.ts';

type Rights = Readonly<Record<string, string>>;
interface RoleFacts {
  /** Aggregated roles that hold it. */
  readonly partOf?: readonly string[];
  readonly aggregates?: readonly string[];
  /** Resource (and name) or path → verbs. */
  readonly rights?: Rights;
}
interface BindingFacts {
  readonly role: string;
  readonly subjects: readonly string[];
}

/** The default policy of Kubernetes 1.36 (its bootstrap policy's test data), as facts. */
const facts = JSON.parse(readFileSync(new URL('facts.json', import.meta.url), 'utf8')) as {
  readonly clusterRoles: Readonly<Record<string, RoleFacts>>;
  readonly roles: Readonly<Record<string, RoleFacts>>;
  readonly clusterRoleBindings: Readonly<Record<string, BindingFacts>>;
  readonly roleBindings: Readonly<Record<string, BindingFacts>>;
};

const AGGREGATE_TO = 'rbac.authorization.k8s.io/aggregate-to-';
const API = '/apis/rbac.authorization.k8s.io/v1';

function rightsOf(rules: NonNullable<Role['rules']>): Rights {
  const verbs = new Map<string, Set<string>>();
  const add = (what: string, some: readonly string[]) =>
    verbs.set(what, new Set([...(verbs.get(what) ?? []), ...some]));
  for (const rule of rules) {
    for (const url of rule.nonResourceURLs ?? []) add(url, rule.verbs);
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const [plural, below] = resource.split('/');
        const full = `${plural}${group && `.${group}`}${below ? `/${below}` : ''}`;
        for (const name of rule.resourceNames ?? ['']) add(name ? `${full} ${name}` : full, rule.verbs);
      }
    }
  }
  return Object.fromEntries([...verbs].sort().map(([what, set]) => [what, [...set].sort().join(' ')]));
}

function roleFacts({ metadata, rules, ...rest }: Role | ClusterRole): RoleFacts {
  const parts = (labels: object | undefined) =>
    Object.keys(labels ?? {}).flatMap((label) =>
      label.startsWith(AGGREGATE_TO) ? label.slice(AGGREGATE_TO.length) : [],
    );
  const partOf = parts(metadata?.labels);
  const aggregation = 'aggregationRule' in rest ? rest.aggregationRule : undefined;
  const aggregates = aggregation?.clusterRoleSelectors?.flatMap(({ matchLabels }) => parts(matchLabels));
  return {
    ...(partOf.length > 0 ? { partOf } : {}),
    ...(aggregates ? { aggregates } : { rights: rightsOf(rules ?? []) }),
  };
}

const bindingFacts = ({ roleRef, subjects = [] }: RoleBinding): BindingFacts => ({
  role: `${roleRef.kind} ${roleRef.name}`,
  subjects: subjects.map(({ kind, namespace, name }) => [kind, namespace, name].filter(Boolean).join(' ')).sort(),
});

const nameOf = ({ metadata }: KubeObject) => [metadata?.namespace, metadata?.name].filter(Boolean).join('/');

const sorted = <T>(entries: [string, T][]) => Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));

test('every default role and binding is there, and is Kubernetes’ own', async () => {
  const store = openMemoryStore();
  let server = await startTestApiServer({ store });
  const wire = () => wireTo(server, { cert: server.adminCert, key: server.adminKey });
  let admin = wire();
  const all = async <T extends KubeObject>(plural: string): Promise<T[]> => {
    const { json } = await admin.get(`${API}/${plural}?labelSelector=kubernetes.io/bootstrapping%3Drbac-defaults`);
    return json.items as unknown as T[];
  };
  const read = async () => ({
    clusterRoles: sorted((await all<ClusterRole>('clusterroles')).map((each) => [nameOf(each), roleFacts(each)])),
    roles: sorted((await all<Role>('roles')).map((each) => [nameOf(each), roleFacts(each)])),
    clusterRoleBindings: sorted(
      (await all<RoleBinding>('clusterrolebindings')).map((each) => [nameOf(each), bindingFacts(each)]),
    ),
    roleBindings: sorted((await all<RoleBinding>('rolebindings')).map((each) => [nameOf(each), bindingFacts(each)])),
  });
  const wanted = Object.fromEntries(Object.entries(facts).map(([kind, each]) => [kind, sorted(Object.entries(each))]));
  assert.deepEqual(await read(), wanted);

  // An aggregated role holds its parts, also before its controller has looked.
  const [view] = (await all<ClusterRole>('clusterroles')).filter((each) => nameOf(each) === 'view');
  assert.deepEqual(rightsOf(view?.rules ?? []), facts.clusterRoles['system:aggregate-to-view']?.rights);

  // What somebody took away is back after a restart, unless the role says that it wants it so; what was added stays.
  const reading = [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }];
  const change = (name: string, body: object) => admin.patch(`${API}/clusterroles/${name}`, 'merge', body);
  await change('system:node-proxier', { rules: [...reading, { apiGroups: ['x'], resources: ['y'], verbs: ['get'] }] });
  const off = { metadata: { annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } } };
  await change('system:kube-dns', { ...off, rules: reading });
  await admin.patch(`${API}/clusterrolebindings/system:discovery`, 'merge', { subjects: null });
  admin.close();
  await server.stop();
  server = await startTestApiServer({ store });
  admin = wire();
  const { clusterRoles, clusterRoleBindings } = await read();
  assert.deepEqual(clusterRoles['system:node-proxier']?.rights, {
    ...facts.clusterRoles['system:node-proxier']?.rights,
    'y.x': 'get',
  });
  assert.deepEqual(clusterRoles['system:kube-dns']?.rights, { nodes: 'get' });
  assert.deepEqual(clusterRoleBindings['system:discovery'], facts.clusterRoleBindings['system:discovery']);
  admin.close();
  await server.stop();
  await store.close();
});
