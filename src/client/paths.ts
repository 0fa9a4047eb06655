import type { Resource } from '../api/resource.ts';
import { apiVersion } from '../api/resource.ts';
import type { SelectorOptions } from './client.ts';

/** `/api/v1/namespaces/default/pods/web/status`. Names are taken as they are: Kubernetes' names need no escaping. */
export function pathOf(
  resource: Resource,
  place: { readonly namespace?: string; readonly name?: string; readonly subresource?: string } = {},
): string {
  const root = resource.group === '' ? '/api' : '/apis';
  const namespace = resource.namespaced && place.namespace ? `/namespaces/${place.namespace}` : '';
  const name = place.name === undefined ? '' : `/${encodeURIComponent(place.name)}`;
  const subresource = place.subresource === undefined ? '' : `/${place.subresource}`;
  return `${root}/${apiVersion(resource)}${namespace}/${resource.plural}${name}${subresource}`;
}

/** `?labelSelector=app%3Dweb&watch=true`, or nothing. */
export function queryOf(options: SelectorOptions, more: Readonly<Record<string, string | undefined>> = {}): string {
  const query = new URLSearchParams();
  if (options.labelSelector) query.set('labelSelector', options.labelSelector);
  if (options.fieldSelector) query.set('fieldSelector', options.fieldSelector);
  for (const [name, value] of Object.entries(more)) {
    if (value !== undefined) query.set(name, value);
  }
  return query.size === 0 ? '' : `?${query}`;
}
