import { isDefaultIngressClass } from '../../api/ingress-classes.ts';
import { ingressClasses } from '../../api/resource.ts';
import type { Ingress, IngressClass } from '../../api/types.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import type { AdmissionPlugin } from './chain.ts';

/** How classes were named before there was a field: who still does so has chosen. */
const LEGACY = 'kubernetes.io/ingress.class';

/** Gives an Ingress that names no class the default one; of several the newest, and of those the first by name. */
export function defaultIngressClass(cache: WatchCache): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    admit({ kind, operation, subresource, object }) {
      if (kind.kind !== 'Ingress' || operation !== 'CREATE' || subresource !== '') return undefined;
      const { spec, metadata } = object as Ingress;
      if (!spec || spec.ingressClassName !== undefined || metadata?.annotations?.[LEGACY] !== undefined) {
        return undefined;
      }
      const chosen = defaultClass(cache);
      if (chosen !== undefined) spec.ingressClassName = chosen;
      return undefined;
    },
  };
}

function defaultClass(cache: WatchCache): string | undefined {
  const all = cache
    .resource(ingressClasses)
    .list()
    .map((stored) => stored.parse<IngressClass>());
  const defaults = all.filter(isDefaultIngressClass);
  return defaults.toSorted(newestFirst)[0]?.metadata?.name;
}

function newestFirst(a: IngressClass, b: IngressClass): number {
  const age = Date.parse(b.metadata?.creationTimestamp ?? '') - Date.parse(a.metadata?.creationTimestamp ?? '');
  return age || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);
}
