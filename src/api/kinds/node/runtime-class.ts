import type { FieldError } from '../../kind.ts';
import type { RuntimeClass } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, required, unchanged } from '../errors.ts';
import { dnsLabel } from '../names.ts';

export const runtimeClass = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  namespaced: false,
  createdByPut: true,
  needsVersion: true,
  validate({ handler }, old): FieldError[] {
    const wrong = handler ? dnsLabel(handler) : undefined;
    return [
      ...(handler ? [] : [required('handler')]),
      ...(wrong ? [invalid('handler', handler, wrong)] : []),
      ...(old ? unchanged('handler', handler, old.handler) : []),
    ];
  },
  columns: [nameColumn, text('Handler', ({ handler }) => handler ?? '', 'What runs its pods.'), ageColumn],
});
