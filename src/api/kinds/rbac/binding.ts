import type { Column, FieldError } from '../../kind.ts';
import type { ClusterRoleBinding, RoleBinding } from '../../types.ts';
import { ageColumn, nameColumn, text, wide } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, notSupported, required, sameValue } from '../errors.ts';
import { dnsSubdomain, pathSegment } from '../names.ts';

const rbacGroup = 'rbac.authorization.k8s.io';

type Binding = RoleBinding | ClusterRoleBinding;
type Subject = NonNullable<Binding['subjects']>[number];

export const roleBinding = defineKind<RoleBinding>({
  group: rbacGroup,
  kind: 'RoleBinding',
  plural: 'rolebindings',
  namespaced: true,
  createdByPut: true,
  nameRule: pathSegment,
  setDefaults,
  validate: (object, old) => validateBinding(object, old, { kinds: ['Role', 'ClusterRole'], namespaced: true }),
  columns: bindingColumns(),
});

export const clusterRoleBinding = defineKind<ClusterRoleBinding>({
  group: rbacGroup,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
  createdByPut: true,
  nameRule: pathSegment,
  setDefaults,
  validate: (object, old) => validateBinding(object, old, { kinds: ['ClusterRole'], namespaced: false }),
  columns: bindingColumns(),
});

function setDefaults({ roleRef, subjects }: Binding): void {
  if (roleRef) roleRef.apiGroup ||= rbacGroup;
  for (const subject of subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= rbacGroup;
  }
}

interface BindingRules {
  /** Kinds that `roleRef` may name. */
  readonly kinds: readonly string[];
  readonly namespaced: boolean;
}

function validateBinding(object: Binding, old: Binding | undefined, { kinds, namespaced }: BindingRules): FieldError[] {
  const { roleRef, subjects = [] } = object;
  const wrongName = roleRef?.name ? pathSegment(roleRef.name) : undefined;
  return [
    ...(!roleRef || roleRef.apiGroup === rbacGroup
      ? []
      : [notSupported('roleRef.apiGroup', roleRef.apiGroup ?? '', [rbacGroup])]),
    ...(kinds.includes(roleRef?.kind ?? '') ? [] : [notSupported('roleRef.kind', roleRef?.kind ?? '', kinds)]),
    ...(roleRef?.name ? [] : [required('roleRef.name')]),
    ...(wrongName ? [invalid('roleRef.name', roleRef?.name, wrongName)] : []),
    ...subjects.flatMap((subject, i) => validateSubject(subject, `subjects[${i}]`, namespaced)),
    ...(old && !sameValue(roleRef, old.roleRef) ? [invalid('roleRef', roleRef, 'cannot change roleRef')] : []),
  ];
}

function validateSubject(subject: Subject, field: string, namespaced: boolean): FieldError[] {
  const missing = subject.name ? [] : [required(`${field}.name`)];
  return [...missing, ...validateSubjectKind(subject, field, namespaced)];
}

function validateSubjectKind(subject: Subject, field: string, namespaced: boolean): FieldError[] {
  switch (subject.kind) {
    case 'ServiceAccount':
      return validateServiceAccount(subject, field, !namespaced);
    case 'User':
    case 'Group':
      return subject.apiGroup === rbacGroup ? [] : [notSupported(`${field}.apiGroup`, subject.apiGroup, [rbacGroup])];
    default:
      return [notSupported(`${field}.kind`, subject.kind ?? '', ['ServiceAccount', 'User', 'Group'])];
  }
}

/** In a namespace a subject without one is the namespace's own. */
function validateServiceAccount(subject: Subject, field: string, namespaceRequired: boolean): FieldError[] {
  const wrongName = subject.name ? dnsSubdomain(subject.name) : undefined;
  return [
    ...(wrongName ? [invalid(`${field}.name`, subject.name, wrongName)] : []),
    ...(subject.apiGroup ? [notSupported(`${field}.apiGroup`, subject.apiGroup, [''])] : []),
    ...(namespaceRequired && !subject.namespace ? [required(`${field}.namespace`)] : []),
  ];
}

function bindingColumns(): Column<Binding>[] {
  const named = (one: Binding, kind: string) => (one.subjects ?? []).filter((subject) => subject.kind === kind);
  const names = (kind: string) => (one: Binding) =>
    named(one, kind)
      .map(({ name }) => name)
      .join(', ');
  const accounts = (one: Binding) =>
    named(one, 'ServiceAccount')
      .map(({ namespace, name }) => `${namespace ?? ''}/${name}`)
      .join(', ');
  return [
    nameColumn,
    text('Role', ({ roleRef }) => (roleRef ? `${roleRef.kind}/${roleRef.name}` : ''), 'What may be done.'),
    ageColumn,
    wide(text('Users', names('User'), 'Users who may.')),
    wide(text('Groups', names('Group'), 'Groups who may.')),
    wide(text('ServiceAccounts', accounts, 'Service accounts that may.')),
  ];
}
