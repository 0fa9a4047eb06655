import type { FieldError } from '../../kind.ts';
import type { Namespace } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind, subresource } from '../define.ts';
import { invalid } from '../errors.ts';
import { validateFinalizer } from '../metadata.ts';
import { dnsLabel } from '../names.ts';

/** Every namespace carries its own name as a label, so that selectors can name it. */
const nameLabel = 'kubernetes.io/metadata.name';
/** Stays until the namespace controller has emptied it. */
const contentFinalizer = 'kubernetes';

export const namespace = defineKind<Namespace>({
  group: '',
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
  shortNames: ['ns'],
  hasStatus: true,
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [subresource('finalize', 'Namespace', ['update'])],
  nameRule: dnsLabel,
  setDefaults(object) {
    object.status ??= {};
    object.status.phase ||= 'Active';
    const { metadata } = object;
    if (!metadata?.name) return;
    metadata.labels ??= {};
    metadata.labels[nameLabel] = metadata.name;
  },
  prepareForCreate(object) {
    object.spec ??= {};
    const finalizers = object.spec.finalizers ?? [];
    if (!finalizers.includes(contentFinalizer)) object.spec.finalizers = [...finalizers, contentFinalizer];
    object.status = { phase: 'Active' };
  },
  /** Only the `finalize` subresource writes `spec.finalizers`. */
  prepareForUpdate(object, old, subresource) {
    if (subresource !== 'finalize') object.spec = { ...object.spec, finalizers: old.spec?.finalizers };
  },
  validate({ metadata, spec, status }, _old, subresource): FieldError[] {
    if (subresource === 'status') return validatePhase(status?.phase ?? '', metadata?.deletionTimestamp !== undefined);
    return (spec?.finalizers ?? []).flatMap((one) => validateFinalizer(one, 'spec.finalizers'));
  },
  fieldLabels: {
    'status.phase': ({ status }) => status?.phase ?? '',
    name: ({ metadata }) => metadata?.name ?? '',
  },
  columns: [
    nameColumn,
    text('Status', ({ status }) => status?.phase ?? '', 'Whether it is there or going.'),
    ageColumn,
  ],
});

/** Nobody may say of a namespace that it goes, or that it stays, but by its deletion. */
function validatePhase(phase: string, isGoing: boolean): FieldError[] {
  const wanted = isGoing ? 'Terminating' : 'Active';
  if (phase === wanted) return [];
  const detail = `may only be '${wanted}' if \`deletionTimestamp\` is ${isGoing ? 'not ' : ''}empty`;
  return [invalid('status.Phase', phase, detail)];
}
