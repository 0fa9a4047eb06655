import type { KubeObject } from './types.ts';

/** Says `true` on the class of Ingresses that name none. */
export const DEFAULT_INGRESS_CLASS = 'ingressclass.kubernetes.io/is-default-class';

export const isDefaultIngressClass = ({ metadata }: Pick<KubeObject, 'metadata'>): boolean =>
  metadata?.annotations?.[DEFAULT_INGRESS_CLASS] === 'true';
