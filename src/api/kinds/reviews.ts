import type { KubeObject } from '../types.ts';
import { answeredOnly, defineKind } from './define.ts';

/** Questions that the API server answers at once; nothing of them is kept. */
export const tokenReview = defineKind<KubeObject>({
  group: 'authentication.k8s.io',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  namespaced: false,
  verbs: answeredOnly,
});

export const selfSubjectReview = defineKind<KubeObject>({
  group: 'authentication.k8s.io',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  namespaced: false,
  verbs: answeredOnly,
});

export const subjectAccessReview = defineKind<KubeObject>({
  group: 'authorization.k8s.io',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  namespaced: false,
  verbs: answeredOnly,
});

export const selfSubjectAccessReview = defineKind<KubeObject>({
  group: 'authorization.k8s.io',
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  namespaced: false,
  verbs: answeredOnly,
});

export const selfSubjectRulesReview = defineKind<KubeObject>({
  group: 'authorization.k8s.io',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  namespaced: false,
  verbs: answeredOnly,
});

export const localSubjectAccessReview = defineKind<KubeObject>({
  group: 'authorization.k8s.io',
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  namespaced: true,
  verbs: answeredOnly,
});
