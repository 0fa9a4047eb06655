import { runtimeClasses } from '../../api/resource.ts';
import type { PodSpec, RuntimeClass, Toleration } from '../../api/types.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import { forbidden } from '../errors.ts';
import type { AdmissionPlugin } from './chain.ts';
import { newPod } from './pods.ts';

/** Gives a pod what its RuntimeClass says: the overhead of its sandbox, and where it may run. */
export function runtimeClassAdmission(cache: WatchCache): AdmissionPlugin {
  return {
    name: 'RuntimeClass',
    admit(request) {
      const spec = newPod(request)?.spec;
      const name = spec?.runtimeClassName;
      if (!spec || !name) return undefined;
      const refuse = (why: string) => forbidden(request.kind, request.name, `pod rejected: ${why}`);
      const found = cache
        .resource(runtimeClasses)
        .get(objectKey(runtimeClasses, '', name))
        ?.parse<RuntimeClass>();
      if (!found) throw refuse(`RuntimeClass "${name}" not found`);
      const problem = setOverhead(spec, found) ?? setScheduling(spec, found);
      if (problem) throw refuse(problem);
      return undefined;
    },
  };
}

function setOverhead(spec: PodSpec, { overhead }: RuntimeClass): string | undefined {
  const wanted = overhead?.podFixed;
  if (spec.overhead && JSON.stringify(spec.overhead) !== JSON.stringify(wanted ?? {}))
    return "Pod's Overhead doesn't match RuntimeClass's defined Overhead";
  if (wanted) spec.overhead = { ...wanted };
  return undefined;
}

function setScheduling(spec: PodSpec, { scheduling }: RuntimeClass): string | undefined {
  for (const [key, value] of Object.entries(scheduling?.nodeSelector ?? {})) {
    const own = spec.nodeSelector?.[key];
    if (own !== undefined && own !== value)
      return `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`;
    spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
  }
  const present = spec.tolerations ?? [];
  const missing = (scheduling?.tolerations ?? []).filter((one) => !present.some((other) => same(one, other)));
  if (missing.length > 0) spec.tolerations = [...present, ...missing];
  return undefined;
}

const same = (a: Toleration, b: Toleration): boolean =>
  a.key === b.key && a.operator === b.operator && a.value === b.value && a.effect === b.effect;
