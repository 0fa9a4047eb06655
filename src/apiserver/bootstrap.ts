import type { Kind } from '../api/kind.ts';
import { defaultFlowSchemas, defaultPriorityLevels } from '../api/kinds/flowcontrol/defaults.ts';
import { endpointSlices, endpoints, namespaces, services } from '../api/resource.ts';
import { systemPriorityClasses } from '../api/system-priorities.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  EndpointSlice,
  Endpoints,
  FlowSchema,
  KubeObject,
  Namespace,
  PriorityClass,
  PriorityLevelConfiguration,
  Role,
  RoleBinding,
  Service,
} from '../api/types.ts';
import { addressAt, parseCIDR } from '../base/cidr.ts';
import { familyOfAddress } from './admission/service-families.ts';
import { registerBuiltIn } from './aggregation/local-services.ts';
import {
  bootstrapClusterRoleBindings,
  bootstrapClusterRoles,
  bootstrapRoleBindings,
  bootstrapRoles,
} from './auth/bootstrap-policy/index.ts';
import { reconciledBinding, reconciledRole } from './auth/bootstrap-policy/reconcile.ts';
import type { Context } from './context.ts';
import { StatusError } from './errors.ts';
import { danglingCondition } from './flowcontrol/dangling.ts';
import { flowSchemas, priorityLevels } from './flowcontrol/resources.ts';
import { viewOf } from './registry/view.ts';
import { createObject, updateObject, type WriteTarget } from './registry/write.ts';
import type { User } from './request.ts';
import { ensureDefaultRange } from './service-addresses/default-range.ts';

export interface BootstrapOptions {
  readonly serviceCIDRs: readonly string[];
  readonly advertise: { readonly address: string; readonly port: number };
  readonly roles?: readonly AnyRole[];
}

/** Says in `kind` which it is. */
export type AnyRole = ClusterRole | ClusterRoleBinding | Role | RoleBinding;

const user: User = { name: 'system:apiserver', groups: ['system:masters'] };

/** Makes what every cluster has from the start, where it is not there. */
export async function bootstrap(context: Context, options: BootstrapOptions): Promise<void> {
  const names = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
  await Promise.all([
    // Before the first Service, which gets its address from there.
    ensureDefaultRange(context, options.serviceCIDRs),
    ...names.map((name) => ensure<Namespace>(context, namespaces, { metadata: { name } })),
  ]);
  await ensure<Service>(context, services, kubernetesService(options));
  await publishEndpoints(context, options);
  await Promise.all([
    ...bootstrapClusterRoles.map((role) => ensure(context, clusterRoles, role)),
    ...bootstrapClusterRoleBindings.map((binding) => ensure(context, clusterRoleBindings, binding)),
    ...bootstrapRoles.map((role) => ensure(context, roles, role)),
    ...bootstrapRoleBindings.map((binding) => ensure(context, roleBindings, binding)),
    ...(options.roles ?? []).map((each) => ensure(context, { ...rbac, plural: `${each.kind?.toLowerCase()}s` }, each)),
    ...defaultPriorityLevels.map((level) => ensure<PriorityLevelConfiguration>(context, priorityLevels, level)),
    ...defaultFlowSchemas.map((schema) => ensure(context, flowSchemas, foundLevel(schema), { keepsStatus: true })),
    ...systemPriorityClasses.map((each) => ensure<PriorityClass>(context, priorityClasses, each)),
    registerBuiltIn(context),
  ]);
}

/** Their levels are made beside them. */
const foundLevel = (schema: FlowSchema): FlowSchema => ({
  ...schema,
  status: { conditions: [danglingCondition(schema.spec?.priorityLevelConfiguration.name ?? '', true)] },
});

const priorityClasses = { group: 'scheduling.k8s.io', version: 'v1', plural: 'priorityclasses' };
const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1' };
const clusterRoles = { ...rbac, plural: 'clusterroles' };
const clusterRoleBindings = { ...rbac, plural: 'clusterrolebindings' };
const roles = { ...rbac, plural: 'roles' };
const roleBindings = { ...rbac, plural: 'rolebindings' };

/** Gives default roles and bindings of an earlier time what they lack now, unless they say that they want nothing. */
export async function reconcileRoles(context: Context): Promise<void> {
  await Promise.all([
    ...bootstrapClusterRoles.map((role) => mend(context, clusterRoles, role, reconciledRole)),
    ...bootstrapRoles.map((role) => mend(context, roles, role, reconciledRole)),
    ...bootstrapClusterRoleBindings.map((each) => mend(context, clusterRoleBindings, each, reconciledBinding)),
    ...bootstrapRoleBindings.map((each) => mend(context, roleBindings, each, reconciledBinding)),
  ]);
}

async function mend<T extends KubeObject>(
  context: Context,
  resource: Named,
  wanted: T,
  reconciled: (present: T, wanted: T) => T,
): Promise<void> {
  const target = targetOf(context, resource, wanted);
  if (!target) return;
  await updateObject(context, target, (present) => reconciled(present as T, wanted), { retry: true });
}

/** The API server as a Service: the first address of the range is always its own. */
function kubernetesService({ serviceCIDRs }: BootstrapOptions): Service {
  const clusterIP = addressAt(parseCIDR(serviceCIDRs[0] ?? ''), 1);
  return {
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: [familyOfAddress(clusterIP)],
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
    addressType: familyOfAddress(address),
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  });
}

type Named = { readonly group: string; readonly version: string; readonly plural: string };

/** Makes the object where it is not there. */
export async function ensure<T extends KubeObject>(
  context: Context,
  resource: Named,
  object: T,
  options: Pick<WriteTarget, 'keepsStatus'> = {},
): Promise<void> {
  const target = targetOf(context, resource, object);
  if (!target || exists(context, target)) return;
  try {
    await createObject(context, { ...target, ...options }, named(target.kind, object));
  } catch (error) {
    // Somebody was faster.
    if (!(error instanceof StatusError) || error.status.reason !== 'AlreadyExists') throw error;
  }
}

/** Makes the object be as given. */
export async function assign<T extends KubeObject>(context: Context, resource: Named, object: T): Promise<void> {
  const target = targetOf(context, resource, object);
  if (!target) return;
  if (!exists(context, target)) await createObject(context, target, named(target.kind, object));
  else await updateObject(context, target, () => named(target.kind, object), { retry: true });
}

/** Changes an object that is there; the same again writes nothing. */
export async function update<T extends KubeObject>(
  context: Context,
  resource: Named,
  name: string,
  subresource: string,
  change: (present: T) => T,
): Promise<void> {
  const target = targetOf(context, resource, { metadata: { name } });
  if (!target) return;
  await updateObject(context, { ...target, subresource }, (present) => change(present as T), { retry: true });
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
