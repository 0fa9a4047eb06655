import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../types.ts';
import { builtinKinds } from './index.ts';
import { rowOf } from './testing.ts';

/** `Name Age`, types that are not `string` behind their columns: what a program that reads tables goes by. */
const columns: Readonly<Record<string, string>> = {
  ServiceAccount: 'Name, Age',
  Secret: 'Name, Type, Data, Age',
  IPAddress: 'Name, ParentRef',
  PriorityClass: 'Name, Value:integer, Global-Default:boolean, Age, PreemptionPolicy',
  CSIDriver:
    'Name, AttachRequired:boolean, PodInfoOnMount:boolean, StorageCapacity:boolean, TokenRequests, RequiresRepublish:boolean, Modes, Age',
  CSIStorageCapacity: 'Name, StorageClassName, Capacity',
  CronJob:
    'Name, Schedule, Timezone, Suspend:boolean, Active:integer, Last Schedule, Age, Containers, Images, Selector',
  ValidatingAdmissionPolicy: 'Name, Validations:integer, ParamKind, Age',
  ValidatingAdmissionPolicyBinding: 'Name, PolicyName, ParamRef, Age',
  MutatingAdmissionPolicy: 'Name, Mutations:integer, ParamKind, Age',
};

const kindNamed = (name: string) => {
  const found = builtinKinds.find(({ kind }) => kind === name);
  assert.ok(found, name);
  return found;
};

describe('columns', () => {
  for (const [name, expected] of Object.entries(columns)) {
    test(`of ${name}`, () => {
      const told = kindNamed(name).columns.map((each) => each.name + (each.type === 'string' ? '' : `:${each.type}`));
      assert.equal(told.join(', '), expected);
    });
  }
});

const cells: readonly { kind: string; object: object; column: string; cell: unknown }[] = [
  { kind: 'IPAddress', object: { spec: parent('', 'services') }, column: 'ParentRef', cell: 'services/shop/web' },
  { kind: 'IPAddress', object: { spec: parent('x.io', 'Links') }, column: 'ParentRef', cell: 'links.x.io/shop/web' },
  { kind: 'EndpointSlice', object: { ports: [{ name: 'a' }, { port: 80 }, {}] }, column: 'Ports', cell: 'a,80,*' },
  { kind: 'EndpointSlice', object: { ports: [], endpoints: [] }, column: 'Endpoints', cell: '<unset>' },
  {
    kind: 'Endpoints',
    object: {
      subsets: [{ addresses: [{ ip: '10.0.0.1' }] }, { addresses: [{ ip: '10.0.0.2' }], ports: [{ port: 1 }] }],
    },
    column: 'Endpoints',
    cell: '10.0.0.1,10.0.0.2:1',
  },
  { kind: 'Event', object: { source: { host: 'node-1' } }, column: 'Source', cell: ', node-1' },
  { kind: 'Event', object: { count: 7, series: { count: 3 } }, column: 'Count', cell: 3 },
  { kind: 'Ingress', object: rules('a', 'b', 'c'), column: 'Hosts', cell: 'a,b,c' },
  { kind: 'Ingress', object: rules('a', 'b', 'c', 'd', ''), column: 'Hosts', cell: 'a,b,c + 2 more...' },
  { kind: 'Ingress', object: rules('a', '', '', '', 'b'), column: 'Hosts', cell: 'a,b' },
  { kind: 'Ingress', object: rules(''), column: 'Hosts', cell: '*' },
  {
    kind: 'IngressClass',
    object: { metadata: { name: 'x', annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } } },
    column: 'Name',
    cell: 'x (default)',
  },
  {
    kind: 'PriorityLevelConfiguration',
    object: { spec: { limited: { limitResponse: { queuing: { queues: 64 } } } } },
    column: 'HandSize',
    cell: 0,
  },
  { kind: 'PriorityLevelConfiguration', object: { spec: { exempt: {} } }, column: 'Queues', cell: '<none>' },
  {
    kind: 'Node',
    object: { status: { nodeInfo: { kernelVersion: '6.1', architecture: 'arm64' } } },
    column: 'Kernel-Version',
    cell: '6.1 (arm64)',
  },
  { kind: 'CSIDriver', object: { spec: { tokenRequests: [] } }, column: 'TokenRequests', cell: '' },
  { kind: 'ComponentStatus', object: {}, column: 'Status', cell: 'Unknown' },
  {
    kind: 'ValidatingAdmissionPolicyBinding',
    object: { spec: { paramRef: { name: 'limits' } } },
    column: 'ParamRef',
    cell: '*/limits',
  },
  {
    kind: 'ValidatingAdmissionPolicyBinding',
    object: { spec: { paramRef: { selector: { matchLabels: { a: 'b' } } } } },
    column: 'ParamRef',
    cell: '&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}',
  },
];

describe('cells, as Kubernetes prints them', () => {
  for (const { kind, object, column, cell } of cells) {
    test(`${kind} ${JSON.stringify(object)}`, () => {
      assert.deepEqual(rowOf(kindNamed(kind), object as KubeObject)[column], cell);
    });
  }
});

function parent(group: string, resource: string) {
  return { parentRef: { group, resource, namespace: 'shop', name: 'web' } };
}

function rules(...hosts: readonly string[]) {
  return { spec: { rules: hosts.map((host) => (host ? { host } : {})) } };
}
