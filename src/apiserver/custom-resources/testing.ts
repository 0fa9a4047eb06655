import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { waitFor } from '../../base/wait.ts';
import { startTestApiServer } from '../testing.ts';
import { wireTo } from '../wire.ts';

export type Wire = ReturnType<typeof wireTo>;

interface DefinitionParts {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
  readonly scope?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly versions?: readonly object[];
  readonly conversion?: object;
  /** Of the one version `v1`, where no versions are given. */
  readonly schema?: object;
}

/** A CustomResourceDefinition as JSON. */
export function definition({
  group,
  plural,
  kind,
  shortNames,
  categories,
  scope,
  versions,
  conversion,
  schema,
}: DefinitionParts) {
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: scope ?? 'Namespaced',
      names: { plural, singular: kind.toLowerCase(), kind, shortNames, categories },
      versions: versions ?? [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema ?? anything } },
      ],
      conversion,
    },
  };
}

/** The example of Kubernetes' documentation, and a bit of everything. Each call makes a new one, to be changed. */
export function cronTabs() {
  const text = { type: 'string' };
  const item = { type: 'object', required: ['name'], properties: { name: text, value: text } };
  const condition = { type: 'object', properties: { type: text, status: text } };
  const level: { type: string; enum: string[]; default?: string } = { type: 'string', enum: ['low', 'middle'] };
  const spec = {
    type: 'object',
    required: ['cronSpec'],
    properties: {
      cronSpec: { type: 'string', pattern: '^\\S+( \\S+){4}$' },
      image: { type: 'string', default: 'busybox' },
      replicas: { type: 'integer', minimum: 1, maximum: 10, default: 1 },
      port: { 'x-kubernetes-int-or-string': true },
      level,
      any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      items: { type: 'array', items: item, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] },
      tags: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
    },
  };
  const status = {
    type: 'object',
    properties: { replicas: { type: 'integer' }, labelSelector: text, conditions: { type: 'array', items: condition } },
  };
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    subresources: {
      status: {},
      scale: {
        specReplicasPath: '.spec.replicas',
        statusReplicasPath: '.status.replicas',
        labelSelectorPath: '.status.labelSelector',
      },
    },
    selectableFields: [{ jsonPath: '.spec.image' }],
    additionalPrinterColumns: [
      { name: 'Spec', type: 'string', jsonPath: '.spec.cronSpec' },
      { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
      { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
    schema: { openAPIV3Schema: { type: 'object', required: ['spec'], properties: { spec, status } } },
  };
  const parts = { group: 'stable.example.com', plural: 'crontabs', kind: 'CronTab' };
  const made = definition({ ...parts, shortNames: ['ct'], categories: ['all'] });
  const versions: [typeof version] = [version];
  return { ...made, spec: { ...made.spec, versions } };
}

/** Creates a definition and waits until it is established. */
export async function install(wire: Wire, crd: { metadata: { name: string } }): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const created = await wire.post(path, crd);
  assert.equal(created.status, 201, created.text);
  const established = async () => {
    const { text } = await wire.get(`${path}/${crd.metadata.name}`);
    const conditions: { type: string; status: string }[] = JSON.parse(text).status.conditions ?? [];
    return conditions.some(({ type, status }) => type === 'Established' && status === 'True');
  };
  await waitFor(established, { what: `${crd.metadata.name} is established`, timeoutMs: 30_000, intervalMs: 5 });
}

export async function startWithCronTabs(t: TestContext) {
  const server = await startTestApiServer();
  const wire = wireTo(server);
  t.after(async () => {
    wire.close();
    await server.stop();
  });
  await install(wire, cronTabs());
  return { server, wire };
}
