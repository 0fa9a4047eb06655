import type { ConfigMap, Ingress, IngressClass } from '../../api/types.ts';

/** `spec.controller` of the classes that are served here. */
export const controllerName = 'knit.dev/ingress-controller';

const legacyAnnotation = 'kubernetes.io/ingress.class';
const defaultAnnotation = 'ingressclass.kubernetes.io/is-default-class';

/** The class that a cluster begins with. People may change or remove it. */
export const knitClass: IngressClass = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'knit', annotations: { [defaultAnnotation]: 'true' } },
  spec: { controller: controllerName },
};

/**
 * The class of an Ingress, if it is one of ours: the one that it names, by field or by the annotation of old, or, where
 * it names none, a default one. `classes` are all of the cluster.
 */
export function ownClassOf(ingress: Ingress, classes: readonly IngressClass[]): IngressClass | undefined {
  const named = ingress.spec?.ingressClassName ?? ingress.metadata?.annotations?.[legacyAnnotation];
  const found = classes.find(({ metadata }) =>
    named === undefined ? metadata?.annotations?.[defaultAnnotation] === 'true' : metadata?.name === named,
  );
  return found?.spec?.controller === controllerName ? found : undefined;
}

/** `namespace/name` of the ConfigMap that a class takes its settings from. */
export function parametersKey(ingressClass: IngressClass): string | undefined {
  const { apiGroup, kind, name, namespace } = ingressClass.spec?.parameters ?? {};
  return !apiGroup && kind === 'ConfigMap' && namespace ? `${namespace}/${name}` : undefined;
}

export interface ClassParameters {
  readonly values: Readonly<Record<string, string>>;
  /** Why there are none, where there should be some. */
  readonly problem?: string;
}

/** What a class says of all its Ingresses. */
export function parametersOf(
  ingressClass: IngressClass,
  configMap: (key: string) => ConfigMap | undefined,
): ClassParameters {
  if (!ingressClass.spec?.parameters) return { values: {} };
  const key = parametersKey(ingressClass);
  const name = ingressClass.metadata?.name;
  if (key === undefined) {
    return { values: {}, problem: `parameters of the class ${name} must be a ConfigMap with scope Namespace` };
  }
  const found = configMap(key);
  return found ? { values: found.data ?? {} } : { values: {}, problem: `the class ${name} wants the ConfigMap ${key}` };
}
