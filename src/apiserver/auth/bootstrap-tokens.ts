import { timingSafeEqual } from 'node:crypto';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_TYPE,
  bootstrapSecretName,
  hasExpired,
  readBootstrapToken,
  splitBootstrapToken,
} from '../../api/bootstrap-tokens.ts';
import { secrets } from '../../api/resource.ts';
import type { Secret } from '../../api/types.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import type { User } from '../request.ts';
import { AUTHENTICATED } from './authentication.ts';

const BOOTSTRAPPERS = 'system:bootstrappers';
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** Who joins with a token that is a Secret: `system:bootstrap:ID`, of the group `system:bootstrappers`. */
export class BootstrapTokens {
  readonly #cache: WatchCache;

  constructor(cache: WatchCache) {
    this.#cache = cache;
  }

  /** `undefined` where there is no such token, or it is over or for something else. */
  userOf(text: string): User | undefined {
    const given = splitBootstrapToken(text);
    if (!given) return undefined;
    const key = objectKey(secrets, BOOTSTRAP_TOKEN_NAMESPACE, bootstrapSecretName(given.id));
    const found = this.#cache.resource(secrets).get(key)?.parse<Secret>();
    if (found?.type !== BOOTSTRAP_TOKEN_TYPE || found.metadata?.deletionTimestamp) return undefined;
    const token = readBootstrapToken(found);
    if (token.id !== given.id || !isSame(token.secret, given.secret)) return undefined;
    if (hasExpired(token) || !token.authenticates) return undefined;
    if (!token.extraGroups.every((group) => EXTRA_GROUP.test(group))) return undefined;
    const groups = [...new Set([BOOTSTRAPPERS, ...token.extraGroups])].sort();
    return { name: `system:bootstrap:${token.id}`, groups: [...groups, AUTHENTICATED] };
  }
}

/** In a time that tells nothing of where they differ. */
function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
