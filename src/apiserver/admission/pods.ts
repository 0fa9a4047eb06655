import { systemPriorityClasses } from '../../api/system-priorities.ts';
import type { Pod, PriorityClass, Toleration } from '../../api/types.ts';
import { remembered } from '../cache/object.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import { forbidden } from '../errors.ts';
import type { AdmissionPlugin, AdmissionRequest } from './chain.ts';

/** The pod that a request is about to create. */
export function newPod({ kind, operation, subresource, object }: AdmissionRequest): Pod | undefined {
  const is = kind.kind === 'Pod' && kind.group === '' && operation === 'CREATE' && subresource === '';
  return is ? (object as Pod) : undefined;
}

/** How long a pod stays on a node that is lost, where it says nothing itself. */
const LOST_NODE_SECONDS = 300;
const lostNodeTaints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

export const defaultTolerations: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  admit({ kind, operation, subresource, object }) {
    const concerned = kind.kind === 'Pod' && kind.group === '' && subresource === '';
    if (!concerned || (operation !== 'CREATE' && operation !== 'UPDATE')) return undefined;
    const { spec } = object as Pod;
    if (!spec) return undefined;
    const missing = lostNodeTaints.filter((key) => !spec.tolerations?.some((each) => tolerates(each, key)));
    const added = missing.map((key) => ({
      key,
      operator: 'Exists' as const,
      effect: 'NoExecute' as const,
      tolerationSeconds: LOST_NODE_SECONDS,
    }));
    if (added.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...added];
    return undefined;
  },
};

function tolerates({ key, effect }: Toleration, taint: string): boolean {
  return (!key || key === taint) && (!effect || effect === 'NoExecute');
}

const priorityClasses = { group: 'scheduling.k8s.io', plural: 'priorityclasses' };
/** They hold also where somebody has deleted them. */
const systemClasses = new Map<string, number>(
  systemPriorityClasses.map(({ metadata, value }) => [metadata.name, value]),
);

const readClass = remembered((object): Readonly<PriorityClass> => object.parse<PriorityClass>());

/** Turns the name of a priority class into its number. */
export function priorityAdmission(cache: WatchCache): AdmissionPlugin {
  return {
    name: 'Priority',
    admit(request) {
      const spec = newPod(request)?.spec;
      if (!spec) return undefined;
      const classes = cache.resource(priorityClasses);
      const all = classes.list().map(readClass);
      const name = spec.priorityClassName || all.find((each) => each.globalDefault)?.metadata?.name;
      const found = all.find((each) => each.metadata?.name === name);
      const value = name ? (found?.value ?? systemClasses.get(name)) : 0;
      if (value === undefined) {
        const why = `no PriorityClass with name ${name} was found`;
        throw forbidden(request.kind, request.name, why);
      }
      if (name) spec.priorityClassName = name;
      spec.priority = value;
      spec.preemptionPolicy ??= found?.preemptionPolicy ?? 'PreemptLowerPriority';
      return undefined;
    },
  };
}
