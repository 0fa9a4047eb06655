import type { Binding, Pod } from '../../api/types.ts';
import { type Answer, jsonAnswer } from '../answer.ts';
import type { Context } from '../context.ts';
import { badRequest, conflict } from '../errors.ts';
import { writeTargetOf } from '../registry/handlers.ts';
import { now, updateObject } from '../registry/write.ts';
import type { KindRequest } from '../request.ts';
import { admittedBody, bindingKind } from './bodies.ts';

const created = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

/** POST pods/NAME/binding, and the older POST bindings: the scheduler says where a pod runs. */
export async function bindPod(context: Context, request: KindRequest): Promise<Answer> {
  const binding = await admittedBody<Binding>(context, request, bindingKind);
  const { kind: targetKind = 'Node', name: node } = binding.target;
  if (targetKind !== 'Node' || !node) throw badRequest('binding.target: must name a Node');
  const pods = context.kinds.byPlural('', 'pods') ?? request.kind;
  const name = request.target.name || (binding.metadata?.name ?? '');
  // Nobody owns what a binding writes.
  const target = {
    ...writeTargetOf(request),
    kind: pods,
    name,
    subresource: 'binding',
    manage: undefined,
    admitted: true,
  };
  await updateObject(context, target, (current) => bound(target, current as Pod, binding, node), { retry: true });
  return jsonAnswer(created, 201);
}

function bound(target: { kind: KindRequest['kind']; name: string }, pod: Pod, binding: Binding, node: string): Pod {
  const uid = binding.metadata?.uid;
  if (uid && uid !== pod.metadata?.uid) {
    throw conflict(
      target.kind,
      target.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata?.uid}`,
    );
  }
  if (pod.metadata?.deletionTimestamp)
    throw conflict(target.kind, target.name, `pod ${target.name} is being deleted, cannot be assigned to a host`);
  if (!pod.spec) throw badRequest('the pod has no spec');
  if (pod.spec.nodeName)
    throw conflict(target.kind, target.name, `pod ${target.name} is already assigned to node "${pod.spec.nodeName}"`);
  pod.spec.nodeName = node;
  for (const key of ['annotations', 'labels'] as const) {
    if (binding.metadata?.[key] && pod.metadata) {
      pod.metadata[key] = { ...pod.metadata[key], ...binding.metadata[key] };
    }
  }
  const conditions = (pod.status?.conditions ?? []).filter((condition) => condition.type !== 'PodScheduled');
  const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: now() };
  pod.status = { ...pod.status, conditions: [...conditions, scheduled] };
  return pod;
}
