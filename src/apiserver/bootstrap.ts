import type { Kind } from '../api/kind.ts';
import { endpointSlices, endpoints, namespaces, services } from '../api/resource.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  EndpointSlice,
  Endpoints,
  KubeObject,
  Namespace,
  Service,
} from '../api/types.ts';
import { addressAt, parseCIDR } from '../base/cidr.ts';
import { bootstrapBindings, bootstrapRoles } from './auth/bootstrap-policy.ts';
import type { Context } from './context.ts';
import { viewOf } from './registry/view.ts';
import { createObject, updateObject, type WriteTarget } from './registry/write.ts';
import type { User } from './request.ts';

export interface BootstrapOptions {
  readonly serviceCIDRs: readonly string[];
  readonly advertise: { readonly address: string; readonly port: number };
}

const user: User = { name: 'system:apiserver', groups: ['system:masters'] };

/** Makes what every cluster has from the start, where it is not there. */
export async function bootstrap(context: Context, options: BootstrapOptions): Promise<void> {
  const names = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
  await Promise.all(names.map((name) => ensure<Namespace>(context, namespaces, { metadata: { name } })));
  await ensure<Service>(context, services, kubernetesService(options));
  await publishEndpoints(context, options);
  await Promise.all([
    ...bootstrapRoles().map((role) => ensure<ClusterRole>(context, clusterRoles, role)),
    ...bootstrapBindings().map((binding) => ensure<ClusterRoleBinding>(context, clusterRoleBindings, binding)),
  ]);
}

const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1' };
const clusterRoles = { ...rbac, plural: 'clusterroles' };
const clusterRoleBindings = { ...rbac, plural: 'clusterrolebindings' };

/** The API server as a Service: the first address of the range is always its own. */
function kubernetesService({ serviceCIDRs }: BootstrapOptions): Service {
  const clusterIP = addressAt(parseCIDR(serviceCIDRs[0] ?? ''), 1);
  return {
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      sessionAffinity: 'None',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }],
    },
  };
}

/** Where it is reached may have changed since the last start. */
async function publishEndpoints(context: Context, { advertise }: BootstrapOptions): Promise<void> {
  const metadata = {
    name: 'kubernetes',
    namespace: 'default',
    labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' },
  };
  const { address, port } = advertise;
  await assign<Endpoints>(context, endpoints, {
    metadata,
    subsets: [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  });
  await assign<EndpointSlice>(context, endpointSlices, {
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  });
}

type Named = { readonly group: string; readonly version: string; readonly plural: string };

export async function ensure<T extends KubeObject>(context: Context, resource: Named, object: T): Promise<void> {
  const target = targetOf(context, resource, object);
  if (!target || exists(context, target)) return;
  await createObject(context, target, named(target.kind, object));
}

/** Makes the object be as given. */
export async function assign<T extends KubeObject>(context: Context, resource: Named, object: T): Promise<void> {
  const target = targetOf(context, resource, object);
  if (!target) return;
  if (!exists(context, target)) await createObject(context, target, named(target.kind, object));
  else await updateObject(context, target, () => named(target.kind, object), { retry: true });
}

function exists(context: Context, { kind, namespace, name }: WriteTarget): boolean {
  const view = viewOf(context.cache, kind);
  return view.resource.get(view.key(namespace, name)) !== undefined;
}

/** `undefined` where this server does not have the kind. */
function targetOf(context: Context, resource: Named, object: KubeObject): WriteTarget | undefined {
  const kind = context.kinds.find(resource);
  const { name = '', namespace = '' } = object.metadata ?? {};
  return kind && { kind, namespace, name, subresource: '', user, dryRun: false };
}

function named(kind: Kind, object: KubeObject): KubeObject {
  const version = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  // What is created is given away, and these are constants.
  return { ...structuredClone(object), kind: kind.kind, apiVersion: version };
}
