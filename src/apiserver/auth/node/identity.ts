import type { User } from '../../request.ts';

const PREFIX = 'system:node:';

/** Whose kubelet asks: the node's name, `''` where it names none; `undefined` where no kubelet asks. */
export function nodeOf(user: User): string | undefined {
  const is = user.name.startsWith(PREFIX) && user.groups.includes('system:nodes');
  return is ? user.name.slice(PREFIX.length) : undefined;
}
