import { z } from 'zod';
import { canonicalQuantity } from '../api/quantity.ts';
import { parseDuration } from '../base/duration.ts';
import { SIGNALS } from '../kubelet/eviction/thresholds.ts';
import type { KubeletSettings } from '../kubelet/index.ts';
import { durationOf } from '../kubelet/settings.ts';

const checked = (is: (text: string) => boolean, error: string) => z.string().refine(is, { error });

const isQuantity = (text: string): boolean => canonicalQuantity(text) !== undefined;
const isShare = (text: string): boolean => /^\d+(?:\.\d+)?%$/.test(text) && Number.parseFloat(text) <= 100;

const quantity = checked(isQuantity, 'must be a quantity: 500m, 64Mi, 2Gi');
const amount = checked((text) => isQuantity(text) || isShare(text), 'must be a quantity (100Mi) or a share (10%)');
const duration = checked((text) => parseDuration(text) !== undefined, 'must be a duration: 30s, 1m30s, 1h');

const longEnough = duration.refine((text) => durationOf(text) === 0 || durationOf(text) >= 1000, {
  error: 'must be 0s, or 1s and more',
});

const one = (names: readonly string[]) => checked((text) => names.includes(text), `must be one of ${names.join(', ')}`);

// The kubelet makes the one for the pods' share of the memory by itself.
const signal = one(Object.keys(SIGNALS).filter((name) => name !== 'allocatableMemory.available'));
const bySignal = <T extends z.ZodType>(value: T) => z.record(signal, value);
const reserved = z.record(one(['cpu', 'memory', 'ephemeral-storage']), quantity);
const percent = z.int().min(0).max(100);

/** Fields of Kubernetes' own `KubeletConfiguration`, see {@link KubeletSettings}. */
export const kubeletSpec = z
  .strictObject({
    maxPods: z.int().min(1).max(10_000),
    podPidsLimit: z.int().min(-1),
    systemReserved: reserved,
    kubeReserved: reserved,
    evictionHard: bySignal(amount),
    evictionSoft: bySignal(amount),
    evictionSoftGracePeriod: bySignal(duration),
    evictionMinimumReclaim: bySignal(amount),
    evictionPressureTransitionPeriod: duration,
    evictionMaxPodGracePeriod: z.int().min(0),
    imageGCHighThresholdPercent: percent,
    imageGCLowThresholdPercent: percent,
    imageMinimumGCAge: duration,
    allowedUnsafeSysctls: z.array(z.string()),
    singleProcessOOMKill: z.boolean(),
    shutdownGracePeriod: longEnough,
    shutdownGracePeriodCriticalPods: longEnough,
    shutdownGracePeriodByPodPriority: z.array(
      z.strictObject({ priority: z.int32(), shutdownGracePeriodSeconds: z.int().min(0) }),
    ),
    staticPodPath: z.string().startsWith('/', { error: 'must be the whole path of a folder' }),
  } satisfies Record<keyof KubeletSettings, z.ZodType>)
  .partial()
  .superRefine((settings, context) => {
    const { shutdownGracePeriod = '0s', shutdownGracePeriodCriticalPods = '0s' } = settings;
    if (durationOf(shutdownGracePeriodCriticalPods) > durationOf(shutdownGracePeriod)) {
      const message = 'must not be longer than shutdownGracePeriod, of which it is a part';
      context.addIssue({ code: 'custom', path: ['shutdownGracePeriodCriticalPods'], message });
    }
    if (settings.shutdownGracePeriodByPodPriority?.length && durationOf(shutdownGracePeriod) > 0) {
      const message = 'must not stand beside shutdownGracePeriod';
      context.addIssue({ code: 'custom', path: ['shutdownGracePeriodByPodPriority'], message });
    }
  })
  .superRefine(({ evictionSoft, evictionSoftGracePeriod }, context) => {
    for (const name of Object.keys(evictionSoft ?? {})) {
      if (evictionSoftGracePeriod?.[name]) continue;
      const message = 'must have a grace period in evictionSoftGracePeriod';
      context.addIssue({ code: 'custom', path: ['evictionSoft', name], message });
    }
  });
