import type { FieldError } from '../../kind.ts';
import { systemPriorityClasses } from '../../system-priorities.ts';
import type { PriorityClass } from '../../types.ts';
import { ageColumn, boolean, integer, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { forbidden, oneOf, required, unchanged } from '../errors.ts';

const systemPrefix = 'system-';
const systemClasses: readonly string[] = systemPriorityClasses.map(({ metadata }) => metadata.name);
const maxUserPriority = 1_000_000_000;

export const priorityClass = defineKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  namespaced: false,
  shortNames: ['pc'],
  generation: 'first',
  setDefaults(object) {
    object.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  validate(object, old): FieldError[] {
    return [
      ...validateReserved(object),
      ...(old ? validateUpdate(object, old) : validatePolicy(object.preemptionPolicy ?? '')),
    ];
  },
  columns: [
    nameColumn,
    integer('Value', ({ value }) => value ?? 0, 'The greater comes first.'),
    boolean('Global-Default', ({ globalDefault }) => globalDefault ?? false, 'Whether it is that of pods without one.'),
    ageColumn,
    text('PreemptionPolicy', ({ preemptionPolicy }) => preemptionPolicy ?? '', 'Whether others make room for it.'),
  ],
});

function validatePolicy(policy: string): FieldError[] {
  if (policy === '') return [required('preemptionPolicy')];
  return oneOf('preemptionPolicy', policy, ['PreemptLowerPriority', 'Never']);
}

function validateReserved({ metadata, value }: PriorityClass): FieldError[] {
  const name = metadata?.name ?? '';
  if (systemClasses.includes(name)) return [];
  if (name.startsWith(systemPrefix)) {
    const detail = `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: ${name} is not a known system priority class`;
    return [forbidden('metadata.name', detail)];
  }
  if ((value ?? 0) <= maxUserPriority) return [];
  return [forbidden('value', `maximum allowed value of a user defined priority is ${maxUserPriority}`)];
}

function validateUpdate(object: PriorityClass, old: PriorityClass): FieldError[] {
  return [
    ...(object.value === old.value ? [] : [forbidden('value', 'may not be changed in an update.')]),
    ...unchanged('preemptionPolicy', object.preemptionPolicy, old.preemptionPolicy),
  ];
}
