import { podDisruptionBudgets, pods } from '../../api/resource.ts';
import { compileLabelSelector } from '../../api/selectors.ts';
import type { KubeObject, Pod, PodDisruptionBudget } from '../../api/types.ts';
import { type Answer, jsonAnswer } from '../answer.ts';
import type { Context } from '../context.ts';
import { forbidden, internalError, notFound, StatusError } from '../errors.ts';
import { type DeleteOptions, deleteObject } from '../registry/delete.ts';
import { writeTargetOf } from '../registry/handlers.ts';
import { viewOf } from '../registry/view.ts';
import { now, updateObject, type WriteTarget } from '../registry/write.ts';
import type { KindRequest } from '../request.ts';
import { admittedBody, evictionKind } from './bodies.ts';

const created = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
/** So many evictions may wait for the controller of budgets to see them. */
const MAX_DISRUPTED = 2000;

/** POST pods/NAME/eviction: a delete that disruption budgets may refuse. */
export async function evictPod(context: Context, request: KindRequest): Promise<Answer> {
  const eviction = await admittedBody<KubeObject & { deleteOptions?: DeleteOptions }>(context, request, evictionKind);
  const target = { ...writeTargetOf(request), subresource: '', admitted: true };
  const dryRun = target.dryRun || (eviction.deleteOptions?.dryRun?.length ?? 0) > 0;
  const podTarget = { ...target, dryRun };
  const pod = readPod(context, podTarget);
  if (!isFree(pod)) {
    const budget = budgetOf(context, pod);
    if (budget && !isIdle(pod, budget)) await takeFrom(context, budget, podTarget);
    await markDisrupted(context, podTarget);
  }
  await deleteObject(context, podTarget, eviction.deleteOptions ?? {});
  return jsonAnswer(created, 201);
}

function readPod(context: Context, { kind, namespace, name }: WriteTarget): Pod {
  const view = viewOf(context.cache, kind);
  const found = view.resource.get(view.key(namespace, name));
  if (!found) throw notFound(pods, name);
  return found.parse<Pod>();
}

/** Whether nothing is lost with the pod: it has ended, has not begun, or is going already. */
function isFree({ metadata, status }: Pod): boolean {
  const { phase = 'Pending' } = status ?? {};
  return ['Pending', 'Succeeded', 'Failed'].includes(phase) || metadata?.deletionTimestamp !== undefined;
}

function budgetOf(context: Context, pod: Pod): PodDisruptionBudget | undefined {
  const kind = context.kinds.find(podDisruptionBudgets);
  if (!kind) return undefined;
  const view = viewOf(context.cache, kind);
  const budgets = view.resource
    .list(view.prefix(pod.metadata?.namespace ?? ''))
    .map((object) => object.parse<PodDisruptionBudget>())
    .filter(({ spec }) => spec?.selector && compileLabelSelector(spec.selector).matches(pod.metadata?.labels ?? {}));
  if (budgets.length <= 1) return budgets[0];
  throw internalError(
    'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
  );
}

/** Whether the pod serves nobody, so that the budget does not speak for it (`unhealthyPodEvictionPolicy`, KEP-3017). */
function isIdle(pod: Pod, { spec, status }: PodDisruptionBudget): boolean {
  const isReady = pod.status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
  if (isReady) return false;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow' || (desiredHealthy > 0 && currentHealthy >= desiredHealthy);
}

/** Takes one disruption from the budget, so that no other eviction gets the same before its controller has looked. */
async function takeFrom(context: Context, budget: PodDisruptionBudget, pod: WriteTarget): Promise<void> {
  const kind = context.kinds.find(podDisruptionBudgets);
  if (!kind) return;
  const target: WriteTarget = {
    ...pod,
    kind,
    name: budget.metadata?.name ?? '',
    subresource: 'status',
    manage: undefined,
  };
  await updateObject(context, target, (current) => taken(current as PodDisruptionBudget, pod.name), { retry: true });
}

function taken(budget: PodDisruptionBudget, pod: string): PodDisruptionBudget {
  const { status, metadata } = budget;
  const name = metadata?.name ?? '';
  const { disruptionsAllowed = 0, desiredHealthy = 0, currentHealthy = 0, expectedPods = 0 } = status ?? {};
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0)) {
    throw refused(`The disruption budget ${name} is still being processed by the server.`, 10);
  }
  if (Object.keys(status?.disruptedPods ?? {}).length > MAX_DISRUPTED) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    throw forbidden(podDisruptionBudgets, name, why);
  }
  if (disruptionsAllowed <= 0) {
    const failure = status?.conditions?.find(({ reason }) => reason === 'SyncFailed');
    throw refused(
      currentHealthy >= desiredHealthy && failure
        ? `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${failure.message}`
        : `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    );
  }
  const disruptedPods = { ...status?.disruptedPods, [pod]: now() };
  const numbers = { currentHealthy, desiredHealthy, expectedPods, disruptionsAllowed: disruptionsAllowed - 1 };
  return { ...budget, status: { ...status, ...numbers, disruptedPods } };
}

function refused(cause: string, retryAfterSeconds?: number): StatusError {
  return new StatusError(
    429,
    'TooManyRequests',
    "Cannot evict pod as it would violate the pod's disruption budget.",
    { causes: [{ reason: 'DisruptionBudget', message: cause }], retryAfterSeconds },
    retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
  );
}

/** For whoever made the pod: it did not fail by itself. */
async function markDisrupted(context: Context, target: WriteTarget): Promise<void> {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: now(),
  };
  const marked = (pod: Pod): Pod => {
    const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== condition.type);
    return { ...pod, status: { ...pod.status, conditions: [...others, condition] } };
  };
  const status = { ...target, subresource: 'status', manage: undefined };
  await updateObject(context, status, (current) => marked(current as Pod), { retry: true });
}
