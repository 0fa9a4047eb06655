import { parseFieldSelector } from '../../api/field-selectors.ts';
import type { Context } from '../context.ts';
import { StatusError } from '../errors.ts';
import type { RequestInfo, User } from '../request.ts';
import type { Attributes } from './authorizer.ts';

export function attributesOf(info: RequestInfo, user: User): Attributes {
  const { verb, resource, path } = info;
  if (!resource) return { user, verb, path };
  // A namespace is its own namespace, so that a role inside it may grant reading it.
  const inNamespace = resource.plural === 'namespaces' && resource.group === '' ? resource.name : resource.namespace;
  const selected = selectedFields(info);
  // As in Kubernetes, a list or watch of one object by its name may be granted to whom only that name is granted.
  const name = resource.name || (selected?.['metadata.name'] ?? '');
  return { user, verb, resource: { ...resource, namespace: inNamespace, name, selected } };
}

function selectedFields({ query }: RequestInfo): Readonly<Record<string, string>> | undefined {
  const selector = query.get('fieldSelector');
  if (!selector) return undefined;
  try {
    return parseFieldSelector(selector).equalities;
  } catch {
    // Who may ask at all is told below what is wrong with it.
    return undefined;
  }
}

/** @throws StatusError 403, in Kubernetes' words */
export function assertAllowed(context: Context, info: RequestInfo, user: User): void {
  const attributes = attributesOf(info, user);
  const { allowed, reason } = context.authorizer.authorize(attributes);
  if (!allowed) throw forbiddenFor(attributes, reason);
}

/** `reason`: what the authorizers have to say to it. */
export function forbiddenFor({ user, verb, resource, path }: Attributes, reason = ''): StatusError {
  const why = reason === '' ? '' : `: ${reason}`;
  if (!resource) {
    const message = `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}${why}`;
    return new StatusError(403, 'Forbidden', message, {});
  }
  const { group, plural, subresource, namespace, name } = resource;
  const full = subresource === '' ? plural : `${plural}/${subresource}`;
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const what = `resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${scope}`;
  const qualified = group === '' ? plural : `${plural}.${group}`;
  const object = name === '' ? qualified : `${qualified} ${JSON.stringify(name)}`;
  const message = `${object} is forbidden: User ${JSON.stringify(user.name)} cannot ${verb} ${what}${why}`;
  return new StatusError(403, 'Forbidden', message, {
    name: name || undefined,
    group: group || undefined,
    kind: plural,
  });
}
