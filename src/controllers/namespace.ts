import { namespaces, pods, type Resource } from '../api/resource.ts';
import type { KubeObject, Namespace } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { type Client, isNotFound } from '../client/client.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';
import { can, type DiscoveredResource, discover } from './discovery.ts';
import { timestamp } from './time.ts';

type Condition = NonNullable<NonNullable<Namespace['status']>['conditions']>[number];

const FINALIZER = 'kubernetes';
/** What ends by itself is looked at again this soon; pods call by themselves. */
const RECHECK_MS = 500;

/** Empties namespaces that are being deleted, then lets them go. */
export function startNamespaceController({ client, informers, run }: ControllerContext): Controller {
  const allNamespaces = informers.informer(namespaces);
  const allPods = informers.informer(pods);

  const controller = run({
    name: 'namespace-controller',
    informers: [allNamespaces, allPods],
    async sync(name) {
      const namespace = allNamespaces.get(name);
      if (!namespace?.metadata?.deletionTimestamp || !namespace.spec?.finalizers?.includes(FINALIZER)) return;
      const left = await empty(client, name);
      if (left.remaining.length === 0 && left.failures.length === 0 && !left.undiscovered) {
        return finalize(client, namespace);
      }
      await report(client, namespace, left);
      controller.enqueueAfter(name, RECHECK_MS);
    },
  });

  allNamespaces.onChange((namespace) => {
    if (namespace?.metadata?.deletionTimestamp) controller.enqueue(namespace.metadata.name ?? '');
  });
  allPods.onChange((pod, old) => {
    const namespace = pod ? undefined : allNamespaces.get(old?.metadata?.namespace ?? '');
    if (namespace?.metadata?.deletionTimestamp) controller.enqueue(namespace.metadata.name ?? '');
  });
  return controller;
}

interface Remaining {
  readonly resource: Resource;
  readonly objects: readonly KubeObject[];
}

interface Left {
  readonly remaining: readonly Remaining[];
  readonly failures: readonly string[];
  /** What kinds there are could not be found out. */
  readonly undiscovered?: string;
}

/** Pods first (KEP-5080): what they use and what guards them stays until they are gone. */
async function empty(client: Client, namespace: string): Promise<Left> {
  const { resources, failures } = await discover(client);
  const left = await emptyAll(client, namespace, resources);
  if (failures.size === 0) return left;
  const groups = [...failures].map(([version, message]) => `${version}: ${message}`).join(', ');
  const undiscovered = `Discovery failed for some groups, ${failures.size} failing: unable to retrieve the complete list of server APIs: ${groups}`;
  return { ...left, undiscovered };
}

async function emptyAll(client: Client, namespace: string, resources: readonly DiscoveredResource[]): Promise<Left> {
  const deletable = resources.filter((each) => each.namespaced && can(each, 'list', 'delete'));
  const isPods = ({ group, plural }: Resource) => group === '' && plural === 'pods';
  const first = await emptyOf(client, namespace, deletable.filter(isPods));
  if (first.remaining.length > 0 || first.failures.length > 0) return first;
  return emptyOf(
    client,
    namespace,
    deletable.filter((each) => !isPods(each)),
  );
}

async function emptyOf(client: Client, namespace: string, resources: readonly Resource[]): Promise<Left> {
  const failures: string[] = [];
  const remaining: Remaining[] = [];
  await Promise.all(
    resources.map(async (resource) => {
      try {
        const objects = await deleteAll(client, namespace, resource);
        if (objects.length > 0) remaining.push({ resource, objects });
      } catch (error) {
        failures.push(`${resource.plural}: ${messageOf(error)}`);
      }
    }),
  );
  return { remaining, failures };
}

/** Deletes all objects of a kind and returns those that are still there. */
async function deleteAll(client: Client, namespace: string, resource: Resource): Promise<KubeObject[]> {
  const { items } = await client.list(resource, { namespace });
  if (items.length === 0) return [];
  const fresh = items.filter((item) => !item.metadata?.deletionTimestamp);
  for (const { metadata } of fresh) {
    await client
      .delete(resource, { namespace, name: metadata?.name ?? '' }, { propagationPolicy: 'Background' })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }
  return (await client.list(resource, { namespace })).items;
}

async function finalize(client: Client, namespace: Namespace): Promise<void> {
  const finalizers = namespace.spec?.finalizers?.filter((finalizer) => finalizer !== FINALIZER);
  const body = { ...namespace, apiVersion: 'v1', kind: 'Namespace', spec: { ...namespace.spec, finalizers } };
  try {
    await client.raw('PUT', `/api/v1/namespaces/${namespace.metadata?.name}/finalize`, JSON.stringify(body));
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function report(client: Client, namespace: Namespace, left: Left): Promise<void> {
  const conditions = conditionsOf(namespace, left);
  if (conditions.every((condition) => namespace.status?.conditions?.includes(condition))) return;
  await client.updateStatus(namespaces, { ...namespace, status: { ...namespace.status, conditions } });
}

function conditionsOf(namespace: Namespace, { remaining, failures, undiscovered }: Left): Condition[] {
  const content = remaining.map(({ resource, objects }) => {
    // Of the core group Kubernetes prints the dot too.
    return `${resource.plural}.${resource.group} has ${objects.length} resource instances`;
  });
  const finalizers = new Map<string, number>();
  for (const name of remaining.flatMap(({ objects }) => objects.flatMap((each) => each.metadata?.finalizers ?? []))) {
    finalizers.set(name, (finalizers.get(name) ?? 0) + 1);
  }
  const held = [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`);
  const list = (what: string, items: readonly string[]) => `${what}: ${items.toSorted().join(', ')}`;
  const make = (
    type: string,
    problem: readonly [reason: string, message: string] | undefined,
    fine: [string, string],
  ) => conditionOf(namespace, type, problem ? 'True' : 'False', ...(problem ?? fine));
  return [
    make('NamespaceDeletionDiscoveryFailure', undiscovered ? ['DiscoveryFailed', undiscovered] : undefined, [
      'ResourcesDiscovered',
      'All resources successfully discovered',
    ]),
    make(
      'NamespaceDeletionContentFailure',
      failures[0]
        ? ['ContentDeletionFailed', list(`Failed to delete all resource types, ${failures.length} remaining`, failures)]
        : undefined,
      ['ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
    ),
    make(
      'NamespaceContentRemaining',
      content[0] ? ['SomeResourcesRemain', list('Some resources are remaining', content)] : undefined,
      ['ContentRemoved', 'All content successfully removed'],
    ),
    make(
      'NamespaceFinalizersRemaining',
      held[0]
        ? ['SomeFinalizersRemain', list('Some content in the namespace has finalizers remaining', held)]
        : undefined,
      ['ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
    ),
  ];
}

/** The condition that is there, where it says the same. */
function conditionOf(namespace: Namespace, type: string, status: string, reason: string, message: string): Condition {
  const present = namespace.status?.conditions?.find((condition) => condition.type === type);
  if (present?.status === status && present.reason === reason && present.message === message) return present;
  const lastTransitionTime = present?.status === status ? present.lastTransitionTime : timestamp();
  return { type, status, reason, message, lastTransitionTime };
}
