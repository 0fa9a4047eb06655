import type { FieldError } from '../../kind.ts';
import type { RuntimeClass, Toleration } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { duplicate, each, invalid, required, unchanged } from '../errors.ts';
import { validateLabels } from '../metadata.ts';
import { dnsLabel } from '../names.ts';
import { validateContainerResources } from '../podspec/resources.ts';
import { validateToleration } from '../podspec/scheduling.ts';

export const runtimeClass = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  namespaced: false,
  createdByPut: true,
  needsVersion: true,
  validate({ handler, overhead, scheduling }, old): FieldError[] {
    const wrong = handler ? dnsLabel(handler) : undefined;
    return [
      ...(handler ? [] : [required('handler')]),
      ...(wrong ? [invalid('handler', handler, wrong)] : []),
      ...(old ? unchanged('handler', handler ?? '', old.handler) : []),
      ...(overhead ? validateContainerResources({ limits: overhead.podFixed }, 'overhead', []) : []),
      ...validateLabels(scheduling?.nodeSelector, 'scheduling.nodeSelector'),
      ...validateTolerations(scheduling?.tolerations ?? []),
    ];
  },
  columns: [nameColumn, text('Handler', ({ handler }) => handler ?? '', 'What runs its pods.'), ageColumn],
});

/** Each at most once, however long it holds. */
function validateTolerations(tolerations: readonly Toleration[]): FieldError[] {
  const keys = tolerations.map(({ key = '', operator = '', value = '', effect = '' }) =>
    JSON.stringify([key, operator, value, effect]),
  );
  const again = (i: number) => keys.indexOf(keys[i] ?? '') < i;
  return [
    ...each(tolerations, 'scheduling.tolerations', validateToleration),
    ...each(tolerations, 'scheduling.tolerations', (toleration, field, i) =>
      again(i) ? [duplicate(field, tolerationInGo(toleration))] : [],
    ),
  ];
}

/** As Go's JSON shows it, which has no names of its own for the fields of its inner form. */
function tolerationInGo({ key = '', operator = '', value = '', effect = '', tolerationSeconds }: Toleration): object {
  return { Key: key, Operator: operator, Value: value, Effect: effect, TolerationSeconds: tolerationSeconds ?? null };
}
