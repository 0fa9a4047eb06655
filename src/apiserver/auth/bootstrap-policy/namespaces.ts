import { type Rule, read, rule, tellEvents } from './rules.ts';

const leading: readonly Rule[] = [
  rule('coordination.k8s.io', 'leases', 'create get list update watch'),
  rule('coordination.k8s.io', 'leasecandidates', 'create get list update watch'),
];
const events = tellEvents;

/** Who is bound: a User, or a ServiceAccount of `kube-system`. */
export type Holder = { readonly user: string } | { readonly account: string };

export interface NamespaceRole {
  readonly namespace: string;
  readonly name: string;
  readonly rules: readonly Rule[];
  /** Default: the role's name. */
  readonly binding?: string;
  readonly holders: readonly Holder[];
}

/** Roles of single namespaces, each with its binding. */
export const namespaceRoles: readonly NamespaceRole[] = [
  {
    namespace: 'kube-public',
    name: 'system:controller:bootstrap-signer',
    rules: [rule('', 'configmaps', read), rule('', 'configmaps', 'update', 'cluster-info'), events],
    holders: [{ account: 'bootstrap-signer' }],
  },
  {
    namespace: 'kube-system',
    name: 'extension-apiserver-authentication-reader',
    rules: [rule('', 'configmaps', read, 'extension-apiserver-authentication')],
    binding: 'system::extension-apiserver-authentication-reader',
    holders: [{ user: 'system:kube-controller-manager' }, { user: 'system:kube-scheduler' }],
  },
  {
    namespace: 'kube-system',
    name: 'system::leader-locking-kube-controller-manager',
    rules: leading,
    holders: [
      { user: 'system:kube-controller-manager' },
      { account: 'kube-controller-manager' },
      { account: 'leader-election-controller' },
    ],
  },
  {
    namespace: 'kube-system',
    name: 'system::leader-locking-kube-scheduler',
    rules: leading,
    holders: [{ user: 'system:kube-scheduler' }, { account: 'kube-scheduler' }],
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:bootstrap-signer',
    rules: [rule('', 'secrets', read)],
    holders: [{ account: 'bootstrap-signer' }],
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:cloud-provider',
    rules: [rule('', 'configmaps', 'create get list watch')],
    holders: [{ account: 'cloud-provider' }],
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:token-cleaner',
    rules: [rule('', 'secrets', 'delete get list watch'), events],
    holders: [{ account: 'token-cleaner' }],
  },
];
