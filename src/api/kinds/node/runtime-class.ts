import type { FieldError } from '../../kind.ts';
import type { RuntimeClass } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { each, invalid, required, unchanged } from '../errors.ts';
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
      ...each(scheduling?.tolerations, 'scheduling.tolerations', validateToleration),
    ];
  },
  columns: [nameColumn, text('Handler', ({ handler }) => handler ?? '', 'What runs its pods.'), ageColumn],
});
