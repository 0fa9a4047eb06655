import { horizontalPodAutoscalers, pods } from '../../api/resource.ts';
import type { HorizontalPodAutoscaler } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import type { Controller } from '../../client/controller.ts';
import type { Key } from '../../client/informer.ts';
import type { ControllerContext } from '../context.ts';
import { createScales, type Scale } from '../scale.ts';
import { writeStatus } from '../status.ts';
import { timestamp } from '../time.ts';
import { ScalingHistory } from './behavior.ts';
import { Conditions, type Status } from './conditions.ts';
import { createProposals, type Desired, failureOf, type Metric } from './proposals.ts';

/** As kube-controller-manager: how often each autoscaler looks. */
const PERIOD_MS = 15_000;

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;

/** Scales workloads by what their pods use. */
export function startHorizontalPodAutoscaler(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const autoscalers = informers.informer(horizontalPodAutoscalers);
  const allPods = informers.informer(pods);
  const events = context.events('horizontal-pod-autoscaler');
  const scales = createScales(client);
  const proposeBy = createProposals(client, allPods);
  const histories = new Map<Key, ScalingHistory>();

  const controller = run({
    name: 'horizontalpodautoscaler-controller',
    informers: [autoscalers, allPods],
    async sync(key) {
      const autoscaler = autoscalers.get(key);
      if (!autoscaler?.spec || autoscaler.metadata?.deletionTimestamp) {
        histories.delete(key);
        return;
      }
      controller.enqueueAfter(key, PERIOD_MS);
      await reconcile(key, autoscaler, autoscaler.spec);
    },
  });

  const reconcile = async (key: Key, autoscaler: HorizontalPodAutoscaler, spec: Spec): Promise<void> => {
    const conditions = new Conditions(autoscaler.status);
    const namespace = autoscaler.metadata?.namespace ?? '';
    const target = { ...spec.scaleTargetRef, apiVersion: spec.scaleTargetRef.apiVersion ?? 'v1' };
    const scale = await scales.get(namespace, target).catch(() => undefined);
    if (!scale) {
      const message = `the HPA controller was unable to get the target's current scale: ${target.kind} "${target.name}" not found`;
      conditions.set('AbleToScale', false, 'FailedGetScale', message);
      events.event(autoscaler, 'Warning', 'FailedGetScale', `${target.kind} "${target.name}" not found`);
      await write(autoscaler, { ...autoscaler.status, desiredReplicas: 0, conditions: conditions.list });
      return;
    }
    const message = "the HPA controller was able to get the target's current scale";
    conditions.set('AbleToScale', true, 'SucceededGetScale', message);
    const current = scale.spec?.replicas ?? 0;
    const history = histories.get(key) ?? new ScalingHistory();
    histories.set(key, history);
    const desired = await desire(autoscaler, spec, scale, current, history, conditions);
    const base: Status = {
      ...autoscaler.status,
      observedGeneration: autoscaler.metadata?.generation,
      currentReplicas: scale.status?.replicas ?? 0,
      desiredReplicas: desired?.replicas ?? current,
      currentMetrics: desired?.metrics ?? autoscaler.status?.currentMetrics,
    };
    if (!desired || desired.replicas === current) return write(autoscaler, { ...base, conditions: conditions.list });
    await scales.set(namespace, target, desired.replicas);
    history.changed(desired.replicas - current, Date.now());
    const size = `New size: ${desired.replicas}; reason: ${desired.reason}`;
    events.event(autoscaler, 'Normal', 'SuccessfulRescale', size);
    const scaled = `the HPA controller was able to update the target scale to ${desired.replicas}`;
    conditions.set('AbleToScale', true, 'SucceededRescale', scaled);
    await write(autoscaler, { ...base, lastScaleTime: timestamp(), conditions: conditions.list });
  };

  const write = async (autoscaler: HorizontalPodAutoscaler, status: Status): Promise<void> => {
    await writeStatus(client, horizontalPodAutoscalers, autoscaler, status);
  };

  const desire = async (
    autoscaler: HorizontalPodAutoscaler,
    spec: Spec,
    scale: Scale,
    current: number,
    history: ScalingHistory,
    conditions: Conditions,
  ): Promise<Desired | undefined> => {
    const { minReplicas = 1, maxReplicas } = spec;
    if (current === 0 && minReplicas !== 0) {
      const message = 'scaling is disabled since the replica count of the target is zero';
      conditions.set('ScalingActive', false, 'ScalingDisabled', message);
      return { replicas: 0, reason: '', metrics: [] };
    }
    const known = autoscaler.status?.currentMetrics;
    if (current > maxReplicas) {
      return { replicas: maxReplicas, reason: 'Current number of replicas above Spec.MaxReplicas', metrics: known };
    }
    if (current < minReplicas) {
      return { replicas: minReplicas, reason: 'Current number of replicas below Spec.MinReplicas', metrics: known };
    }
    const proposed = await propose(autoscaler, spec, scale, current, conditions);
    if (!proposed) return undefined;
    const now = Date.now();
    const steady = history.stabilized(spec.behavior, current, proposed.replicas, now);
    if (steady > proposed.replicas) {
      const message = 'recent recommendations were higher than current one, applying the highest recent recommendation';
      conditions.set('AbleToScale', true, 'ScaleDownStabilized', message);
    } else {
      conditions.set('AbleToScale', true, 'ReadyForNewScale', 'recommended size matches current size');
    }
    const limited = history.limited(spec.behavior, current, steady, now);
    const replicas = Math.min(Math.max(limited, minReplicas), maxReplicas);
    tellLimits(conditions, steady, minReplicas, maxReplicas);
    const reason = replicas > current ? `${proposed.reason} above target` : 'All metrics below target';
    return { replicas, reason, metrics: proposed.metrics };
  };

  /** The most that any of the metrics asks for. One that is not known never lets the workload shrink. */
  const propose = async (
    autoscaler: HorizontalPodAutoscaler,
    spec: Spec,
    scale: Scale,
    current: number,
    conditions: Conditions,
  ): Promise<Desired | undefined> => {
    const found: Desired[] = [];
    let failure: { readonly metric: Metric; readonly message: string } | undefined;
    const target = { namespace: autoscaler.metadata?.namespace ?? '', scale, current, behavior: spec.behavior };
    let invalid = 0;
    for (const metric of spec.metrics ?? []) {
      try {
        found.push(await proposeBy(metric, target));
      } catch (error) {
        invalid++;
        failure ??= { metric, message: messageOf(error) };
      }
    }
    const metrics = found.flatMap((each) => each.metrics ?? []);
    const most = found.sort((a, b) => b.replicas - a.replicas)[0];
    if (failure && (!most || most.replicas <= current)) {
      const { reason, what } = failureOf(failure.metric);
      const message = `the HPA was unable to compute the replica count: ${failure.message}`;
      conditions.set('ScalingActive', false, reason, message);
      events.event(autoscaler, 'Warning', reason, failure.message);
      const all = `invalid metrics (${invalid} invalid out of ${spec.metrics?.length}), first error is: failed to get ${what} value: ${failure.message}`;
      events.event(autoscaler, 'Warning', 'FailedComputeMetricsReplicas', all);
      return undefined;
    }
    if (!most) return undefined;
    const message = `the HPA was able to successfully calculate a replica count from ${most.reason}`;
    conditions.set('ScalingActive', true, 'ValidMetricFound', message);
    return { ...most, metrics };
  };

  autoscalers.onChange((autoscaler, old) => {
    const changed = autoscaler ?? old;
    // Its status is our own; only what it asks for makes it look before its time.
    const asks = autoscaler?.metadata?.generation !== old?.metadata?.generation || !autoscaler || !old;
    if (changed && asks) controller.enqueue(keyOf(changed));
  });
  return controller;
}

function tellLimits(conditions: Conditions, wanted: number, min: number, max: number): void {
  if (wanted < min) {
    const message = 'the desired replica count is less than the minimum replica count';
    conditions.set('ScalingLimited', true, 'TooFewReplicas', message);
  } else if (wanted > max) {
    const message = 'the desired replica count is more than the maximum replica count';
    conditions.set('ScalingLimited', true, 'TooManyReplicas', message);
  } else {
    const message = 'the desired count is within the acceptable range';
    conditions.set('ScalingLimited', false, 'DesiredWithinRange', message);
  }
}
