import type { FieldError } from '../../kind.ts';
import type { Container, Pod, PodSpec } from '../../types.ts';
import { forbidden, invalid, sameValue } from '../errors.ts';
import { qosClassOf } from './resources.ts';

// Writes through a pod's subresources change one part of it; all else is taken over from the pod as it was.

/** `ephemeralcontainers`: containers for debugging, which may be added and never changed or removed. */
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

/** `resize`: what containers ask for of cpu and memory. */
export function keepAllButResources(next: Pod, old: Pod): void {
  const asked = next.spec;
  const resized = (before: readonly Container[] | undefined, after: readonly Container[] | undefined) =>
    before?.map((container) => {
      const same = after?.find(({ name }) => name === container.name);
      return same ? { ...container, resources: same.resources, resizePolicy: same.resizePolicy } : container;
    });
  next.spec = {
    ...old.spec!,
    containers: resized(old.spec?.containers, asked?.containers) ?? [],
    ...(old.spec?.initContainers ? { initContainers: resized(old.spec.initContainers, asked?.initContainers) } : {}),
  };
  next.metadata = { ...old.metadata, resourceVersion: next.metadata?.resourceVersion };
  next.status = old.status;
}

export function validateResize(spec: PodSpec, old: PodSpec, field: string): FieldError[] {
  const errors = (['containers', 'initContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap((container, i) =>
      validateResizedContainer(container, old[list]?.[i], `${field}.${list}[${i}].resources`),
    ),
  );
  if (qosClassOf(spec) === qosClassOf(old)) return errors;
  return [...errors, invalid(field, qosClassOf(spec), 'Pod QOS Class may not change as a result of resizing')];
}

function validateResizedContainer(next: Container, old: Container | undefined, field: string): FieldError[] {
  return (['limits', 'requests'] as const).flatMap((part) => {
    const [now, before] = [next.resources?.[part] ?? {}, old?.resources?.[part] ?? {}];
    const changed = [...new Set([...Object.keys(now), ...Object.keys(before)])].filter(
      (name) => !sameValue(now[name], before[name]),
    );
    return changed.flatMap((name) => {
      if (name !== 'cpu' && name !== 'memory') return [forbidden(field, 'only cpu and memory resources are mutable')];
      if (now[name] === undefined) return [forbidden(`${field}.${part}`, `resource ${part} cannot be removed`)];
      return [];
    });
  });
}
