import { DEFAULT_INGRESS_CLASS, isDefaultIngressClass } from '../../api/ingress-classes.ts';
import type { ConfigMap, Ingress, IngressClass } from '../../api/types.ts';

/** `spec.controller` of the classes that are served here. */
export const controllerName = 'knit.dev/ingress-controller';

const legacyAnnotation = 'kubernetes.io/ingress.class';

/** The class that a cluster begins with. People may change or remove it. */
export const knitClass: IngressClass = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'knit', annotations: { [DEFAULT_INGRESS_CLASS]: 'true' } },
  spec: { controller: controllerName },
};

/**
 * The class of an Ingress, if it is one of ours: the one that it names, by field or by the annotation of old, or, where
 * it names none, the default one: of several the newest, as the API server chooses for new Ingresses. `classes` are all of
 * the cluster.
 */
export function ownClassOf(ingress: Ingress, classes: readonly IngressClass[]): IngressClass | undefined {
  const named = ingress.spec?.ingressClassName ?? ingress.metadata?.annotations?.[legacyAnnotation];
  const found = named === undefined ? defaultOf(classes) : classes.find(({ metadata }) => metadata?.name === named);
  return found?.spec?.controller === controllerName ? found : undefined;
}

function defaultOf(classes: readonly IngressClass[]): IngressClass | undefined {
  const defaults = classes.filter(isDefaultIngressClass);
  return defaults.toSorted(newestFirst)[0];
}

/** Of the same second the first by name. */
function newestFirst({ metadata: a }: IngressClass, { metadata: b }: IngressClass): number {
  const age = Date.parse(b?.creationTimestamp ?? '') - Date.parse(a?.creationTimestamp ?? '');
  return age || ((a?.name ?? '') < (b?.name ?? '') ? -1 : 1);
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
