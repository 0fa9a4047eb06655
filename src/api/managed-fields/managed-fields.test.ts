import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadSchema } from '../schema/load.ts';
import type { KubeObject } from '../types.ts';
import { compare } from './compare.ts';
import { fieldSetOf } from './extract.ts';
import { difference, equalSets, type FieldSet, formatPath, intersection, pathsOf, union } from './field-set.ts';
import { applyConfiguration, type ManagedFieldsEntry, recordUpdate } from './managers.ts';
import { placeOf } from './place.ts';

const deploymentPlace = placeOf(loadSchema(), 'io.k8s.api.apps.v1.Deployment');
const servicePlace = placeOf(loadSchema(), 'io.k8s.api.core.v1.Service');
const configMapPlace = placeOf(loadSchema(), 'io.k8s.api.core.v1.ConfigMap');
const TIME = '2026-01-01T00:00:00Z';
const LATER = '2026-01-01T00:00:09Z';

const applyEntry: ManagedFieldsEntry = { manager: 'a', operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1' };

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop', uid: 'u', labels: { app: 'web' }, finalizers: ['a.io/x'] },
  spec: {
    type: 'ClusterIP',
    sessionAffinity: 'None',
    selector: { app: 'web' },
    ports: [
      { name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
  },
};

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [
          {
            name: 'web',
            image: 'web:1',
            command: ['serve', '-v'],
            ports: [{ containerPort: 80 }],
            env: [{ name: 'A', value: '1' }],
            resources: { requests: { cpu: '1' } },
          },
        ],
        volumes: [{ name: 'scratch', emptyDir: {} }],
        nodeSelector: { disk: 'ssd' },
      },
    },
  },
};

describe('sets of fields', () => {
  const cases: readonly [string, FieldSet, FieldSet, { both: FieldSet; common: FieldSet; left: FieldSet }][] = [
    ['apart', { 'f:a': {} }, { 'f:b': {} }, { both: { 'f:a': {}, 'f:b': {} }, common: {}, left: { 'f:a': {} } }],
    [
      'one within the other',
      { 'f:a': { 'f:x': {}, 'f:y': {} } },
      { 'f:a': { 'f:x': {} } },
      { both: { 'f:a': { 'f:x': {}, 'f:y': {} } }, common: { 'f:a': { 'f:x': {} } }, left: { 'f:a': { 'f:y': {} } } },
    ],
    [
      'a member and what is below it',
      { 'f:a': {} },
      { 'f:a': { 'f:x': {} } },
      { both: { 'f:a': { '.': {}, 'f:x': {} } }, common: {}, left: { 'f:a': {} } },
    ],
    [
      'a member with others below it, and itself',
      { 'f:a': { '.': {}, 'f:x': {} } },
      { 'f:a': {} },
      { both: { 'f:a': { '.': {}, 'f:x': {} } }, common: { 'f:a': {} }, left: { 'f:a': { 'f:x': {} } } },
    ],
    ['of which one is empty', {}, { 'f:a': {} }, { both: { 'f:a': {} }, common: {}, left: {} }],
  ];
  for (const [what, a, b, { both, common, left }] of cases) {
    it(`${what}: union, intersection, difference`, () => {
      assert.deepEqual(union(a, b), both);
      assert.deepEqual(intersection(a, b), common);
      assert.deepEqual(difference(a, b), left);
      assert.ok(equalSets(union(b, a), both));
    });
  }

  it('name their paths as Kubernetes does', () => {
    const set: FieldSet = {
      'f:metadata': { 'f:finalizers': { 'v:"a"': {} } },
      'f:spec': { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {} } }, 'f:list': { 'i:0': {} } },
    };
    assert.deepEqual(pathsOf(set).map(formatPath), [
      '.metadata.finalizers[="a"]',
      '.spec.list[0]',
      '.spec.ports[port=80,protocol="TCP"]',
      '.spec.ports[port=80,protocol="TCP"].name',
    ]);
  });

  it('name members before what is in them, in the order of fields, keys and values', () => {
    const set: FieldSet = {
      'f:b': { '.': {}, 'f:x': {} },
      'f:a': { 'v:10': {}, 'v:9': {}, 'k:{"p":10}': {}, 'k:{"p":9}': {} },
    };
    assert.deepEqual(pathsOf(set).map(formatPath), ['.b', '.a[p=9]', '.a[p=10]', '.a[=9]', '.a[=10]', '.b.x']);
  });
});

describe('the fields of an object', () => {
  it('of a Service that is applied are as Kubernetes writes them', () => {
    assert.deepEqual(fieldSetOf(servicePlace, service)['f:spec'], {
      'f:ports': {
        'k:{"port":53,"protocol":"UDP"}': { '.': {}, 'f:name': {}, 'f:port': {}, 'f:protocol': {} },
        'k:{"port":80,"protocol":"TCP"}': {
          '.': {},
          'f:name': {},
          'f:port': {},
          'f:protocol': {},
          'f:targetPort': {},
        },
      },
      'f:selector': {},
      'f:sessionAffinity': {},
      'f:type': {},
    });
  });

  it('of a Deployment that is applied are as Kubernetes writes them', () => {
    assert.deepEqual(fieldSetOf(deploymentPlace, deployment)['f:spec'], {
      'f:replicas': {},
      'f:selector': {},
      'f:template': {
        'f:metadata': { 'f:labels': { 'f:app': {} } },
        'f:spec': {
          'f:containers': {
            'k:{"name":"web"}': {
              '.': {},
              'f:command': {},
              'f:env': { 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
              'f:image': {},
              'f:name': {},
              'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
              'f:resources': { 'f:requests': { 'f:cpu': {} } },
            },
          },
          'f:nodeSelector': {},
          'f:volumes': { 'k:{"name":"scratch"}': { '.': {}, 'f:emptyDir': {}, 'f:name': {} } },
        },
      },
    });
  });

  it('of a Deployment that is created name what holds them too, where it was not there before', () => {
    const [entry] = recordUpdate(
      deploymentPlace,
      [],
      { manager: 'm', apiVersion: 'apps/v1', subresource: '' },
      {},
      deployment,
      TIME,
    );
    assert.deepEqual(
      { ...entry, fieldsV1: undefined },
      {
        manager: 'm',
        operation: 'Update',
        apiVersion: 'apps/v1',
        time: TIME,
        fieldsType: 'FieldsV1',
        fieldsV1: undefined,
      },
    );
    const { 'f:metadata': metadata, 'f:spec': spec } = (entry?.fieldsV1 ?? {}) as FieldSet;
    assert.deepEqual(metadata, { 'f:labels': { '.': {}, 'f:app': {} } });
    assert.deepEqual(spec?.['f:template']?.['f:spec'], {
      'f:containers': {
        'k:{"name":"web"}': {
          '.': {},
          'f:command': {},
          'f:env': { '.': {}, 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
          'f:image': {},
          'f:name': {},
          'f:ports': { '.': {}, 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
          'f:resources': { '.': {}, 'f:requests': { '.': {}, 'f:cpu': {} } },
        },
      },
      'f:nodeSelector': {},
      'f:volumes': { '.': {}, 'k:{"name":"scratch"}': { '.': {}, 'f:emptyDir': {}, 'f:name': {} } },
    });
  });

  it('of a kind without a schema are its keys; a list is one', () => {
    const place = placeOf(loadSchema(), 'example.com.v1.Unknown');
    assert.deepEqual(fieldSetOf(place, { spec: { a: 1, list: [{ name: 'x' }] } }), {
      'f:spec': { '.': {}, 'f:a': {}, 'f:list': {} },
    });
  });
});

describe('the difference of two versions', () => {
  const cases: readonly [string, object, object, { changed?: FieldSet; removed?: FieldSet }][] = [
    ['nothing', { data: { a: '1' } }, { data: { a: '1' } }, {}],
    ['a value', { data: { a: '1', b: '1' } }, { data: { a: '2', b: '1' } }, { changed: { 'f:data': { 'f:a': {} } } }],
    ['a new map', {}, { data: { a: '1' } }, { changed: { 'f:data': { '.': {}, 'f:a': {} } } }],
    [
      'a key that is gone',
      { data: { a: '1', b: '1' } },
      { data: { b: '1' } },
      { removed: { 'f:data': { 'f:a': {} } } },
    ],
    [
      'a field that is undefined',
      { data: { a: '1' } },
      { data: undefined },
      { removed: { 'f:data': { '.': {}, 'f:a': {} } } },
    ],
  ];
  for (const [what, before, after, { changed = {}, removed = {} }] of cases) {
    it(what, () => assert.deepEqual(compare(configMapPlace, before, after), { changed, removed }));
  }
});

describe('the managers of an object', () => {
  const writer = (manager: string, subresource = '') => ({ manager, apiVersion: 'v1', subresource });
  const configMap = (data: Record<string, string>): KubeObject & { data: Record<string, string> } => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'x' },
    data,
  });
  const applied = (entries: readonly ManagedFieldsEntry[], manager: string, live: KubeObject, config: KubeObject) => {
    const result = applyConfiguration(configMapPlace, entries, writer(manager), live, config, {
      force: false,
      time: TIME,
    });
    assert.ok('object' in result);
    return result;
  };

  it('lose what an update changes or removes', () => {
    const { entries, object } = applied([], 'alice', {}, configMap({ a: '1', b: '1', c: '1' }));
    const after = recordUpdate(configMapPlace, entries, writer('bob'), object, configMap({ a: '2', c: '1' }), LATER);
    assert.deepEqual(
      after.map(({ manager, fieldsV1 }) => [manager, fieldsV1]),
      [
        ['alice', { 'f:data': { 'f:c': {} } }],
        ['bob', { 'f:data': { 'f:a': {} } }],
      ],
    );
  });

  it('keep their time where their fields stay', () => {
    const first = applied([], 'alice', {}, configMap({ a: '1' }));
    const again = applyConfiguration(
      configMapPlace,
      first.entries,
      writer('alice'),
      first.object,
      configMap({ a: '1' }),
      {
        force: false,
        time: LATER,
      },
    );
    assert.ok('entries' in again);
    assert.deepEqual(again.entries, first.entries);
  });

  it('of updates are ten at most: the oldest are put together', () => {
    let entries: readonly ManagedFieldsEntry[] = [];
    let object = configMap({});
    for (let at = 10; at < 25; at++) {
      const next = configMap({ ...object.data, [`k${at}`]: '1' });
      entries = recordUpdate(configMapPlace, entries, writer(`m${at}`), object, next, `2026-01-01T00:00:${at}Z`);
      object = next;
    }
    assert.equal(entries.length, 10);
    assert.equal(entries[0]?.manager, 'ancient-changes');
    const { fieldsV1 } = entries.find(({ manager }) => manager === 'ancient-changes') ?? {};
    // Six keys, and the map that came with the first of them.
    assert.equal(pathsOf((fieldsV1 ?? {}) as FieldSet).length, 7);
  });

  it('of updates are put together by the version they were made in', () => {
    let entries: readonly ManagedFieldsEntry[] = [];
    let object = configMap({});
    for (let at = 10; at < 21; at++) {
      const next = configMap({ ...object.data, [`k${at}`]: '1' });
      const by = { ...writer(`m${at}`), apiVersion: at % 2 === 0 ? 'v1' : 'v2' };
      entries = recordUpdate(configMapPlace, entries, by, object, next, `2026-01-01T00:00:${at}Z`);
      object = next;
    }
    const names = entries.map(({ manager, apiVersion }) => `${manager} ${apiVersion}`);
    assert.deepEqual(names.slice(0, 3), ['m11 v2', 'ancient-changes v1', 'm13 v2']);
  });

  it('have no time where an apply left the object as it is', () => {
    const live = configMap({ a: '1' });
    const before = recordUpdate(configMapPlace, [], writer('b'), {}, live, TIME);
    const options = { force: false, time: LATER };
    const applied = applyConfiguration(configMapPlace, before, writer('a'), live, configMap({ a: '1' }), options);
    assert.ok('entries' in applied);
    assert.deepEqual(
      applied.entries.map(({ manager, time }) => [manager, time]),
      [
        ['a', undefined],
        ['b', TIME],
      ],
    );
  });

  it('have a new time where an apply gives a field another value', () => {
    const options = { force: false, time: TIME };
    const first = applyConfiguration(configMapPlace, [], writer('a'), {}, configMap({ a: '1' }), options);
    assert.ok('object' in first);
    const second = applyConfiguration(configMapPlace, first.entries, writer('a'), first.object, configMap({ a: '2' }), {
      ...options,
      time: LATER,
    });
    assert.ok('entries' in second);
    assert.equal(second.entries[0]?.time, LATER);
  });

  it('before the first apply are those of what is written through this path', () => {
    const live = { ...service, status: { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } } };
    const options = { force: false, time: TIME, foreign: ['status'] };
    const config = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', labels: { app: 'web' } } };
    const applied = applyConfiguration(servicePlace, [], writer('a'), live, config, options);
    assert.ok('entries' in applied);
    const { fieldsV1 } = applied.entries.find(({ manager }) => manager === 'before-first-apply') ?? {};
    assert.deepEqual(Object.keys(fieldsV1 ?? {}), ['f:metadata', 'f:spec']);
  });

  it('leave the metadata of an object whose only owner gives all of it up', () => {
    const options = { force: false, time: TIME };
    const live = { ...service, metadata: { ...service.metadata, annotations: { by: 'nobody' } } };
    const owner = [{ ...applyEntry, fieldsV1: { 'f:metadata': { 'f:labels': { 'f:app': {} } } } }];
    const config = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'shop' } };
    const applied = applyConfiguration(servicePlace, owner, writer('a'), live, config, options);
    assert.ok('object' in applied);
    const { uid, annotations, labels } = applied.object.metadata ?? {};
    assert.deepEqual({ uid, annotations, labels }, { uid: 'u', annotations: { by: 'nobody' }, labels: undefined });
  });

  it('give up a struct with all that was defaulted in it', () => {
    const probed = structuredClone(deployment) as KubeObject & typeof deployment;
    const container = (object: object) => (object as typeof deployment).spec.template.spec.containers[0];
    Object.assign(container(probed) ?? {}, { livenessProbe: { httpGet: { path: '/', port: 80 } } });
    const author = { manager: 'a', apiVersion: 'apps/v1', subresource: '' };
    const options = { force: false, time: TIME };
    const first = applyConfiguration(deploymentPlace, [], author, {}, structuredClone(probed), options);
    assert.ok('object' in first);
    const live = structuredClone(first.object);
    const defaulted = (container(live) as unknown as { livenessProbe: { httpGet: { scheme?: string } } }).livenessProbe;
    defaulted.httpGet.scheme = 'HTTP';
    const second = applyConfiguration(deploymentPlace, first.entries, author, live, deployment, options);
    assert.ok('object' in second);
    assert.deepEqual(container(second.object), container(deployment));
  });
});

describe('what Go does not tell apart', () => {
  const place = placeOf(loadSchema(), 'io.k8s.api.core.v1.Pod');
  const pod = (spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec });

  it('an empty list or map of a struct is none', () => {
    const before = pod({ containers: [{ name: 'c', resources: {} }] });
    const after = pod({ containers: [{ name: 'c', resources: {}, env: [], ports: [] }], nodeSelector: {} });
    assert.deepEqual(compare(place, before, after), { changed: {}, removed: {} });
  });

  it('a struct held by value comes with what it is in, and one behind a pointer by itself', () => {
    const { changed } = compare(place, pod({ containers: [] }), pod({ containers: [{ name: 'c' }], resources: {} }));
    assert.deepEqual(changed, {
      'f:spec': {
        'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:name': {}, 'f:resources': {} } },
        'f:resources': {},
      },
    });
  });

  it('items that come more than once are owned as a whole', () => {
    const env = (...values: string[]) =>
      pod({ containers: [{ name: 'c', resources: {}, env: values.map((value) => ({ name: 'A', value })) }] });
    const inEnv = (set: FieldSet) => set['f:spec']?.['f:containers']?.['k:{"name":"c"}']?.['f:env'];
    assert.deepEqual(inEnv(compare(place, env('1'), env('1', '2')).changed), { 'k:{"name":"A"}': {} });
    assert.deepEqual(inEnv(compare(place, env('1', '2'), env('2')).changed), {
      'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} },
    });
  });
});
