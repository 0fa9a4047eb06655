import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { pods, secrets, serviceAccounts } from '../../api/resource.ts';
import type { Pod, Secret, ServiceAccount } from '../../api/types.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import type { User } from '../request.ts';

/** What a token is for, beside its service account. */
export interface TokenBinding {
  readonly kind: 'Pod' | 'Secret';
  readonly name: string;
  readonly uid: string;
  readonly nodeName?: string;
}

export interface TokenOrder {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly uid: string;
  /** Empty: the API server itself. */
  readonly audiences: readonly string[];
  readonly seconds: number;
  readonly binding?: TokenBinding;
}

export interface Verified {
  readonly user: User;
  readonly audiences: readonly string[];
}

interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[] | string;
  readonly exp: number;
  readonly nbf?: number;
  readonly 'kubernetes.io'?: {
    readonly namespace?: string;
    readonly serviceaccount?: { readonly name: string; readonly uid: string };
    readonly pod?: { readonly name: string; readonly uid: string };
    readonly secret?: { readonly name: string; readonly uid: string };
    readonly node?: { readonly name: string };
  };
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * Service account tokens: JWTs (ES256) that are bound to an account and, for pods, to the pod. A token ends with
 * what it is bound to.
 */
export class TokenIssuer {
  readonly issuer: string;
  readonly #cache: WatchCache;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;

  /** @param signingKey PEM of an EC P-256 private key */
  constructor(signingKey: string, issuer: string, cache: WatchCache) {
    this.issuer = issuer;
    this.#cache = cache;
    this.#privateKey = createPrivateKey(signingKey);
    this.#publicKey = createPublicKey(this.#privateKey);
    const der = this.#publicKey.export({ type: 'spki', format: 'der' });
    this.#keyId = createHash('sha256').update(der).digest('base64url');
  }

  /** The public key as clients of OpenID Connect read it (RFC 7517). */
  get keys() {
    return { keys: [{ ...this.#publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: this.#keyId }] };
  }

  /** What OpenID Connect clients read first. */
  get configuration() {
    return {
      issuer: this.issuer,
      jwks_uri: `${this.issuer}/openid/v1/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    };
  }

  issue(order: TokenOrder): { token: string; expires: Date } {
    const issued = Math.floor(Date.now() / 1000);
    const expires = issued + order.seconds;
    const bound = order.binding;
    const claims = {
      aud: order.audiences.length > 0 ? order.audiences : [this.issuer],
      exp: expires,
      iat: issued,
      iss: this.issuer,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace: order.namespace,
        node: bound?.nodeName ? { name: bound.nodeName } : undefined,
        [bound?.kind.toLowerCase() ?? 'none']: bound && { name: bound.name, uid: bound.uid },
        serviceaccount: { name: order.serviceAccount, uid: order.uid },
      },
      nbf: issued,
      sub: `system:serviceaccount:${order.namespace}:${order.serviceAccount}`,
    };
    const text = `${base64({ alg: 'ES256', kid: this.#keyId })}.${base64(claims)}`;
    const signature = sign('sha256', Buffer.from(text), { key: this.#privateKey, dsaEncoding: 'ieee-p1363' });
    return { token: `${text}.${signature.toString('base64url')}`, expires: new Date(expires * 1000) };
  }

  /** Who holds the token; `undefined` where it is not ours, is over, or for somebody else. */
  verify(token: string, audiences: readonly string[] = [this.issuer]): Verified | undefined {
    const claims = this.#claimsOf(token);
    if (!claims) return undefined;
    const present = Date.now() / 1000;
    if (claims.iss !== this.issuer || claims.exp <= present || (claims.nbf ?? 0) > present + 60) return undefined;
    const meant = [claims.aud].flat().filter((audience) => audiences.includes(audience));
    if (meant.length === 0 || !this.#stillBound(claims)) return undefined;
    const user = userOf(claims);
    return user && { user, audiences: meant };
  }

  #claimsOf(token: string): Claims | undefined {
    const [header, payload, signature, ...more] = token.split('.');
    if (!header || !payload || !signature || more.length > 0) return undefined;
    const key = { key: this.#publicKey, dsaEncoding: 'ieee-p1363' as const };
    const text = Buffer.from(`${header}.${payload}`);
    if (!verify('sha256', text, key, Buffer.from(signature, 'base64url'))) return undefined;
    return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Claims;
  }

  #stillBound(claims: Claims): boolean {
    const facts = claims['kubernetes.io'];
    const namespace = facts?.namespace ?? '';
    const account = facts?.serviceaccount;
    if (!account || this.#uid<ServiceAccount>(serviceAccounts, namespace, account.name) !== account.uid) return false;
    if (facts.pod && this.#uid<Pod>(pods, namespace, facts.pod.name) !== facts.pod.uid) return false;
    return !facts.secret || this.#uid<Secret>(secrets, namespace, facts.secret.name) === facts.secret.uid;
  }

  #uid<T extends { metadata?: { uid?: string } }>(
    resource: { group: string; plural: string },
    namespace: string,
    name: string,
  ): string | undefined {
    return this.#cache
      .resource(resource)
      .get(objectKey(resource, namespace, name))
      ?.parse<T>().metadata?.uid;
  }
}

function userOf(claims: Claims): User | undefined {
  const facts = claims['kubernetes.io'];
  if (!facts?.serviceaccount) return undefined;
  const extra: Record<string, string[]> = {};
  if (facts.pod) {
    extra['authentication.kubernetes.io/pod-name'] = [facts.pod.name];
    extra['authentication.kubernetes.io/pod-uid'] = [facts.pod.uid];
  }
  if (facts.node) extra['authentication.kubernetes.io/node-name'] = [facts.node.name];
  return {
    name: claims.sub,
    uid: facts.serviceaccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${facts.namespace}`, 'system:authenticated'],
    extra,
  };
}
