import type { FieldError } from '../../kind.ts';
import type { Pod, PodSpec } from '../../types.ts';
import { forbidden, sameValue } from '../errors.ts';

/**
 * A write through `ephemeralcontainers` adds containers for debugging, which are never changed or removed; all else is
 * taken over from the pod as it was.
 */
export function keepAllButEphemeralContainers(next: Pod, old: Pod): void {
  const added = next.spec?.ephemeralContainers;
  next.spec = { ...old.spec!, ephemeralContainers: added };
  if (!added?.length) delete next.spec.ephemeralContainers;
  next.metadata = { ...old.metadata, resourceVersion: next.metadata?.resourceVersion };
  next.status = old.status;
}

export function validateEphemeralContainersUpdate(spec: PodSpec, old: PodSpec, field: string): FieldError[] {
  const now = new Map((spec.ephemeralContainers ?? []).map((each) => [each.name, each]));
  return (old.ephemeralContainers ?? []).flatMap((before) => {
    const present = now.get(before.name);
    if (!present)
      return [forbidden(field, `existing ephemeral containers ${JSON.stringify(before.name)} may not be removed\n`)];
    if (sameValue(present, before)) return [];
    return [forbidden(field, `existing ephemeral containers ${JSON.stringify(before.name)} may not be changed\n`)];
  });
}
