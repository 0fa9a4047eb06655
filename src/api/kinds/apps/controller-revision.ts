import type { FieldError } from '../../kind.ts';
import type { ControllerRevision } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, required, unchanged } from '../errors.ts';

export const controllerRevision = defineKind<ControllerRevision>({
  group: 'apps',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  namespaced: true,
  validate(object, old): FieldError[] {
    const revision = object.revision ?? 0;
    return [
      ...(object.data === undefined && !old ? [required('data', 'data is mandatory')] : []),
      ...(revision < 0 ? [invalid('revision', revision, 'must be greater than or equal to 0')] : []),
      ...(old ? unchanged('data', object.data, old.data) : []),
    ];
  },
  columns: [
    nameColumn,
    text('Controller', controllerOf, 'What it is a revision of.'),
    text('Revision', ({ revision }) => revision ?? 0, 'Its number.'),
    ageColumn,
  ],
});

/** `daemonset.apps/proxy` */
function controllerOf({ metadata }: ControllerRevision): string {
  const owner = metadata?.ownerReferences?.find((one) => one.controller);
  if (!owner) return '<none>';
  const [group] = owner.apiVersion.includes('/') ? owner.apiVersion.split('/') : [''];
  return `${owner.kind.toLowerCase()}${group ? `.${group}` : ''}/${owner.name}`;
}
