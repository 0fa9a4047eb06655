import type { User } from '../request.ts';

/** Groups that every service account of a namespace is in, besides those of everybody who is known. */
export const serviceAccountGroups = (namespace = ''): readonly string[] => [
  'system:serviceaccounts',
  `system:serviceaccounts:${namespace}`,
];

export function serviceAccountUser({ namespace, name }: { readonly namespace: string; readonly name: string }): User {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    groups: [...serviceAccountGroups(namespace), 'system:authenticated'],
  };
}
