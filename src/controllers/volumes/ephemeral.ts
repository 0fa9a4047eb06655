import { persistentVolumeClaims, pods } from '../../api/resource.ts';
import type { Pod, Volume } from '../../api/types.ts';
import { claimsOf } from '../../api/volumes.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf } from '../../client/cache.ts';
import { isAlreadyExists } from '../../client/client.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { controllerReference, isControlledBy } from '../owners.ts';
import { hasEnded, isTerminating } from '../pods.ts';

/** Makes the claims that pods have templates for (`ephemeral` volumes); they go with their pods. */
export function startEphemeralVolumes(context: ControllerContext): Controller {
  const { client, informers, run } = context;
  const allPods = informers.informer(pods);
  const allClaims = informers.informer(persistentVolumeClaims);
  const events = context.events('ephemeral_volume');

  const controller = run({
    name: 'ephemeral-volume-controller',
    informers: [allPods, allClaims],
    async sync(key) {
      const pod = allPods.get(key);
      if (!pod || isTerminating(pod) || hasEnded(pod)) return;
      for (const volume of pod.spec?.volumes ?? []) if (volume.ephemeral) await make(pod, volume);
    },
  });

  const make = async (pod: Pod, { name, ephemeral }: Volume): Promise<void> => {
    const { namespace } = pod.metadata ?? {};
    const claim = `${pod.metadata?.name}-${name}`;
    const present = allClaims.get(`${namespace}/${claim}`);
    if (present && isControlledBy(present, pod)) return;
    try {
      if (present)
        throw new Error(`PVC ${namespace}/${claim} was not created for pod ${keyOf(pod)} (pod is not owner)`);
      const { metadata, spec } = ephemeral?.volumeClaimTemplate ?? {};
      await client.create(persistentVolumeClaims, {
        metadata: { ...metadata, name: claim, namespace, ownerReferences: [controllerReference(pods, pod)] },
        spec,
      });
    } catch (error) {
      // The copy was old.
      if (!present && isAlreadyExists(error)) return;
      const message = `ephemeral volume ${name}: ${messageOf(error)}`;
      events.event(pod, 'Warning', 'FailedBinding', message);
      throw error;
    }
  };

  allPods.onChange((pod, old) => {
    if (pod && !old && claimsOf(pod).some(({ ephemeral }) => ephemeral)) controller.enqueue(keyOf(pod));
  });
  allClaims.onChange((claim, old) => {
    const owner = claim ? undefined : old?.metadata?.ownerReferences?.find(({ kind }) => kind === 'Pod');
    if (owner) controller.enqueue(`${old?.metadata?.namespace}/${owner.name}`);
  });
  return controller;
}
