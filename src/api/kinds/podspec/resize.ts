import type { FieldError } from '../../kind.ts';
import type { Container, Pod, PodSpec } from '../../types.ts';
import { all, each, forbidden, invalid, sameValue } from '../errors.ts';
import { qosClassOf } from './resources.ts';

// A write through `resize` changes what containers ask for of cpu and memory (KEP-1287); all else is taken over from
// the pod as it was.

const lists = ['containers', 'initContainers'] as const;
type List = (typeof lists)[number];

const listOf = (spec: PodSpec | undefined, list: List): readonly Container[] => spec?.[list] ?? [];

export function keepAllButResources(next: Pod, old: Pod): void {
  const asked = next.spec;
  // Then it is refused as it is.
  if (lists.some((list) => listOf(asked, list).length !== listOf(old.spec, list).length)) return;
  next.spec = {
    ...old.spec!,
    resources: asked?.resources,
    containers: resized(listOf(old.spec, 'containers'), listOf(asked, 'containers')),
    ...(old.spec?.initContainers
      ? { initContainers: resized(old.spec.initContainers, listOf(asked, 'initContainers')) }
      : {}),
  };
  next.metadata = { ...old.metadata, resourceVersion: next.metadata?.resourceVersion };
  next.status = old.status;
}

function resized(before: readonly Container[], after: readonly Container[]): Container[] {
  if (before.some(({ name }, i) => after[i]?.name !== name)) return [...after];
  return before.map((container, i) => ({
    ...container,
    resources: after[i]?.resources,
    resizePolicy: after[i]?.resizePolicy,
  }));
}

export function validateResize(pod: Pod, old: Pod, field: string): FieldError[] {
  const [spec, before] = [pod.spec ?? { containers: [] }, old.spec ?? { containers: [] }];
  const { qosClass = '' } = old.status ?? {};
  const moved = lists.flatMap((list) => validateOrder(spec, before, list, `${field}.${list}`));
  return all(
    qosClassOf(spec) !== qosClassOf(before) && [
      invalid(field, qosClass, 'Pod QOS Class may not change as a result of resizing'),
    ],
    !knowsResize(old) && [forbidden(field, 'Pod running on node without support for resize')],
    moved.length > 0 ? moved : validateChange(spec, before, field),
  );
}

/** An older kubelet does not tell what its containers have. */
function knowsResize({ status }: Pod): boolean {
  const running = status?.containerStatuses?.find(({ state }) => state?.running);
  return running === undefined || running.resources !== undefined;
}

function validateOrder(spec: PodSpec, old: PodSpec, list: List, field: string): FieldError[] {
  const [now, before] = [listOf(spec, list), listOf(old, list)];
  if (now.length !== before.length) return [forbidden(field, `${list} may not be added or removed on resize`)];
  return each(now, field, ({ name }, at, i) =>
    name === before[i]?.name ? [] : [forbidden(`${at}.name`, `${list} may not be renamed or reordered on resize`)],
  );
}

function validateChange(spec: PodSpec, old: PodSpec, field: string): FieldError[] {
  const only = 'only cpu and memory resources';
  const pairs = (list: List) => listOf(spec, list).map((now, i) => [now, listOf(old, list)[i] ?? now] as const);
  const restarts = 'non-sidecar init containers with a resize policy of RestartContainer cannot be resized';
  return all(
    pairs('initContainers').flatMap(([now, before], i) =>
      validateRemoved(now, before, `${field}.initContainers[${i}].resources`),
    ),
    pairs('containers').flatMap(([now, before], i) =>
      validateRemoved(now, before, `${field}.containers[${i}].resources`),
    ),
    pairs('containers').flatMap(([now, before]) =>
      isSameBut(now, before) ? [] : [forbidden(field, `${only} are mutable`)],
    ),
    pairs('initContainers').flatMap(([now, before], i) =>
      all(
        !isSameBut(now, before) && [
          forbidden(`${field}.initContainers[${i}]`, `${only} for init or sidecar containers are mutable`),
        ],
        before.restartPolicy !== 'Always' &&
          !sameValue(now, before) &&
          (now.resizePolicy ?? [])
            .filter(({ restartPolicy }) => restartPolicy === 'RestartContainer')
            .map(() => forbidden(`${field}.initContainers[${i}]`, restarts)),
      ),
    ),
  );
}

/** What a container asked for it goes on asking for, in whatever amount. */
function validateRemoved(now: Container, before: Container, field: string): FieldError[] {
  return (['requests', 'limits'] as const).flatMap((part) => {
    const names = Object.keys(before.resources?.[part] ?? {});
    const isWhole = names.every((name) => now.resources?.[part]?.[name] !== undefined);
    return isWhole ? [] : [forbidden(`${field}.${part}`, `resource ${part} cannot be removed`)];
  });
}

/** Whether two containers are the same but for their amounts of cpu and memory. */
function isSameBut(now: Container, before: Container): boolean {
  const isSame = (part: 'requests' | 'limits') => {
    const old = before.resources?.[part];
    // Where nothing was asked for, Kubernetes lets anything be asked for.
    return old === undefined || sameValue(othersOf(now.resources?.[part]), othersOf(old));
  };
  const rest = sameValue({ ...now, resources: undefined }, { ...before, resources: undefined });
  return rest && isSame('requests') && isSame('limits');
}

const othersOf = (amounts: Readonly<Record<string, string>> = {}) =>
  Object.fromEntries(Object.entries(amounts).filter(([name]) => name !== 'cpu' && name !== 'memory'));
