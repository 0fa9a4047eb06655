import type { FieldError } from '../../kind.ts';
import type { Pod, PodSpec } from '../../types.ts';
import { ageColumn, nameColumn, text, wide } from '../columns.ts';
import { defineKind, subresource } from '../define.ts';
import { all, forbidden } from '../errors.ts';
import { setHostPorts, setPodSpecDefaults, setRequestsFromLimits } from '../podspec/defaults.ts';
import { keepAllButEphemeralContainers, validateEphemeralContainersUpdate } from '../podspec/ephemeral-update.ts';
import { setPodRequests } from '../podspec/pod-resources.ts';
import { keepAllButResources, validateResize } from '../podspec/resize.ts';
import { qosClassOf } from '../podspec/resources.ts';
import { validatePodStatus, withKept } from '../podspec/status.ts';
import { hasEnded, readinessGates, summarizePod } from '../podspec/summary.ts';
import { validatePodSpecUpdate } from '../podspec/update.ts';
import { validatePodSpec } from '../podspec/validate.ts';

/** What tables say of pods that have ended. */
const ENDED: Readonly<Record<string, string>> = {
  Succeeded: 'The pod has completed successfully.',
  Failed: 'The pod failed.',
};
const connect = ['create', 'get'];
const keepsSpec: ReadonlySet<string> = new Set(['binding']);

export const pod = defineKind<Pod>({
  group: '',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
  keptByStatus: ['ownerReferences', 'deletionTimestamp'],
  shortNames: ['po'],
  categories: ['all'],
  hasStatus: true,
  generation: true,
  subresources: [
    subresource('attach', 'PodAttachOptions', connect),
    subresource('binding', 'Binding', ['create']),
    subresource('ephemeralcontainers', 'Pod', ['get', 'patch', 'update']),
    subresource('eviction', 'Eviction', ['create'], 'policy/v1'),
    subresource('exec', 'PodExecOptions', connect),
    subresource('log', 'Pod', ['get']),
    subresource('portforward', 'PodPortForwardOptions', connect),
    subresource('proxy', 'PodProxyOptions', ['create', 'delete', 'get', 'patch', 'update']),
    subresource('resize', 'Pod', ['get', 'patch', 'update']),
  ],
  setDefaults,
  prepareForCreate(object) {
    object.status = { phase: 'Pending', qosClass: qosClassOf(object.spec!) };
  },
  prepareForUpdate(object, old, subresource) {
    if (subresource === 'status') object.status = withKept(object.status ?? {}, old.status ?? {});
    if (subresource === 'ephemeralcontainers') keepAllButEphemeralContainers(object, old);
    if (subresource === 'resize') keepAllButResources(object, old);
  },
  validate(object, old, subresource = ''): FieldError[] {
    if (subresource === 'status' && old) return validatePodStatus(object, old);
    // Through these the spec stays what it was, but for the node's name, which the binding has checked.
    const errors = keepsSpec.has(subresource) ? [] : validatePodSpec(object.spec, 'spec', object.metadata ?? {});
    return all(errors, object.spec ? validateChange(object, object.spec, old, subresource) : []);
  },
  gracePeriodSeconds,
  fieldLabels: {
    'spec.nodeName': ({ spec }) => spec?.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec?.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec?.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec?.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec?.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIP ?? '',
    'status.podIPs': ({ status }) => status?.podIP ?? '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
  rowConditions({ status }) {
    const message = status?.phase && ENDED[status.phase];
    return message ? [{ type: 'Completed', status: 'True', reason: status.phase, message }] : undefined;
  },
  columns: [
    nameColumn,
    text('Ready', (one, now) => summarizePod(one, now).ready, 'Containers that are ready, of all.'),
    text(
      'Status',
      (one, now) => summarizePod(one, now).status,
      'What the containers of the pod are doing, taken together.',
    ),
    text(
      'Restarts',
      (one, now) => summarizePod(one, now).restarts,
      'How often its containers were restarted, and when last.',
    ),
    ageColumn,
    wide(text('IP', ({ status }) => status?.podIP || status?.podIPs?.[0]?.ip || '<none>', 'Address of the pod.')),
    wide(text('Node', ({ spec }) => spec?.nodeName || '<none>', 'Node that the pod stands on.')),
    wide(
      text('Nominated Node', ({ status }) => status?.nominatedNodeName || '<none>', 'Node where room is being made.'),
    ),
    wide(text('Readiness Gates', readinessGates, 'Readiness gates that are open, of all.')),
  ],
});

function validateChange(pod: Pod, spec: PodSpec, old: Pod | undefined, subresource: string): FieldError[] {
  const ephemeral = 'spec.ephemeralContainers';
  if (!old?.spec) {
    const gated = spec.nodeName && spec.schedulingGates?.length;
    return all(
      spec.ephemeralContainers?.length && [forbidden(ephemeral, 'cannot be set on create')],
      gated && [forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared')],
    );
  }
  if (subresource === '') return validatePodSpecUpdate(spec, old.spec, 'spec');
  if (subresource === 'ephemeralcontainers') return validateEphemeralContainersUpdate(spec, old.spec, ephemeral);
  return subresource === 'resize' ? validateResize(pod, old, 'spec') : [];
}

function setDefaults(object: Pod): void {
  object.spec ??= { containers: [] };
  const { spec } = object;
  setPodSpecDefaults(spec);
  // Of a pod only: a template keeps what it says.
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1;
  setRequestsFromLimits(spec);
  setPodRequests(spec);
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork) setHostPorts(spec);
}

/** What never ran, or has ended, is gone at once. */
function gracePeriodSeconds(object: Pod, asked: number | undefined): number {
  if (!object.spec?.nodeName || hasEnded(object)) return 0;
  const seconds = asked ?? object.spec.terminationGracePeriodSeconds ?? 0;
  return seconds < 0 ? 1 : seconds;
}
