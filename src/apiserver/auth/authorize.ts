import { parseFieldSelector } from '../../api/field-selectors.ts';
import type { Context } from '../context.ts';
import { StatusError } from '../errors.ts';
import type { RequestInfo, User } from '../request.ts';
import type { Attributes } from './authorizer.ts';

/** Paths that everybody may see who is not even known. */
const publicPaths = /^\/(healthz|livez|readyz)(\/.*)?$|^\/version\/?$/;

export const isPublic = (path: string): boolean => publicPaths.test(path);

export function attributesOf(info: RequestInfo, user: User): Attributes {
  const { verb, resource, path } = info;
  if (!resource) return { user, verb, path };
  // A namespace is its own namespace, so that a role inside it may grant reading it.
  const inNamespace = resource.plural === 'namespaces' && resource.group === '' ? resource.name : resource.namespace;
  return { user, verb, resource: { ...resource, namespace: inNamespace, name: resource.name || selectedName(info) } };
}

/** As in Kubernetes, a list or watch of one object by its name may be granted to whom only that name is granted. */
function selectedName({ query }: RequestInfo): string {
  const selector = query.get('fieldSelector');
  if (!selector) return '';
  try {
    return parseFieldSelector(selector).equalities['metadata.name'] ?? '';
  } catch {
    // Who may ask at all is told below what is wrong with it.
    return '';
  }
}

/** @throws StatusError 403, in Kubernetes' words */
export function assertAllowed(context: Context, info: RequestInfo, user: User): void {
  const attributes = attributesOf(info, user);
  if (!context.authorizer.authorize(attributes).allowed) throw forbiddenFor(attributes);
}

export function forbiddenFor({ user, verb, resource, path }: Attributes): StatusError {
  if (!resource) {
    const message = `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}`;
    return new StatusError(403, 'Forbidden', message, {});
  }
  const { group, plural, subresource, namespace, name } = resource;
  const full = subresource === '' ? plural : `${plural}/${subresource}`;
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const what = `resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${scope}`;
  const qualified = group === '' ? plural : `${plural}.${group}`;
  const object = name === '' ? qualified : `${qualified} ${JSON.stringify(name)}`;
  const message = `${object} is forbidden: User ${JSON.stringify(user.name)} cannot ${verb} ${what}`;
  return new StatusError(403, 'Forbidden', message, {
    name: name || undefined,
    group: group || undefined,
    kind: plural,
  });
}
