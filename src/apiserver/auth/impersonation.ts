import type { Context } from '../context.ts';
import { badRequest } from '../errors.ts';
import type { ApiRequest, User } from '../request.ts';
import { AUTHENTICATED } from './authentication.ts';
import { forbiddenFor } from './authorize.ts';
import type { Attributes } from './authorizer.ts';
import { serviceAccountGroups } from './service-accounts.ts';

const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

/**
 * The request as whom it is meant to be from: `kubectl --as` and `--as-group`.
 *
 * @throws StatusError 403 where the real user may not act as the other
 */
export function impersonated(context: Context, request: ApiRequest): ApiRequest {
  const name = request.headers['impersonate-user'];
  const given = request.headers['impersonate-group'];
  if (name === undefined && given === undefined) return request;
  const groups = listOf(given);
  if (name === undefined && groups.length === 0) return request;
  if (!name) throw badRequest('requested groups without impersonating a user');
  const { user } = request;
  if (!user) return request;
  for (const attributes of [userAttributes(user, name), ...groups.map((group) => about(user, 'groups', '', group))]) {
    if (!context.authorizer.authorize(attributes).allowed) throw forbiddenFor(attributes);
  }
  return { ...request, user: { name, groups: groupsOf(name, groups) } };
}

function userAttributes(user: User, name: string): Attributes {
  const [, namespace = '', account = ''] = SERVICE_ACCOUNT.exec(name) ?? [];
  return account === '' ? about(user, 'users', '', name) : about(user, 'serviceaccounts', namespace, account);
}

function about(user: User, plural: string, namespace: string, name: string): Attributes {
  const resource = { group: '', version: 'v1', plural, subresource: '', namespace, name };
  return { user, verb: 'impersonate', resource };
}

function groupsOf(name: string, asked: readonly string[]): string[] {
  const [, namespace] = SERVICE_ACCOUNT.exec(name) ?? [];
  const own = namespace ? serviceAccountGroups(namespace) : [];
  const groups = asked.length > 0 ? asked : own;
  return [...new Set([...groups, AUTHENTICATED])];
}

/** Repeated headers arrive joined by commas. */
function listOf(header = ''): string[] {
  return header.split(/,\s*/).filter((part) => part !== '');
}
