import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { nodes, pods, secrets, serviceAccounts } from '../../api/resource.ts';
import type { CachedObject } from '../cache/object.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import type { User } from '../request.ts';
import { serviceAccountGroups } from './service-accounts.ts';

/** What a token is for, beside its service account. */
export interface TokenBinding {
  readonly kind: 'Pod' | 'Secret' | 'Node';
  readonly name: string;
  readonly uid: string;
  /** Where the pod is; without `uid` a node that is not there any more. */
  readonly node?: { readonly name: string; readonly uid?: string };
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
  readonly jti?: string;
  readonly 'kubernetes.io'?: {
    readonly namespace?: string;
    readonly serviceaccount?: { readonly name: string; readonly uid: string };
    readonly pod?: { readonly name: string; readonly uid: string };
    readonly secret?: { readonly name: string; readonly uid: string };
    readonly node?: { readonly name: string; readonly uid?: string };
  };
}

/** A token whose signature is right, and whose it is. */
interface Checked {
  readonly claims: Claims;
  readonly audiences: readonly string[];
  readonly user: User;
}

/** Tokens whose signature is remembered to be right: checking one costs more than all else of a small request. */
const REMEMBERED = 1000;

/** What was read of an object, as long as it is the newest one. */
const uids = new WeakMap<CachedObject, string>();

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
  readonly #checked = new Map<string, Checked>();
  #last: { readonly token: string; readonly checked: Checked } | undefined;

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
        node: bound?.node,
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
    const checked = this.#valid(token);
    const meant = checked?.audiences.filter((audience) => audiences.includes(audience)) ?? [];
    return checked && meant.length > 0 ? { user: checked.user, audiences: meant } : undefined;
  }

  /** Who asks this server with the token: the same value each time. */
  userOf(token: string): User | undefined {
    const checked = this.#valid(token);
    return checked?.audiences.includes(this.issuer) ? checked.user : undefined;
  }

  /** What a token says, as long as it holds. */
  #valid(token: string): Checked | undefined {
    const checked = this.#checkedOf(token);
    if (!checked) return undefined;
    const { claims } = checked;
    const present = Date.now() / 1000;
    if (claims.iss !== this.issuer || claims.exp <= present || (claims.nbf ?? 0) > present + 60) return undefined;
    return this.#stillBound(claims) ? checked : undefined;
  }

  #checkedOf(token: string): Checked | undefined {
    // Comparing is cheaper than hashing, and who asked last often asks next.
    if (token === this.#last?.token) return this.#last.checked;
    const checked = this.#checked.get(token) ?? this.#checkAndRemember(token);
    if (checked) this.#last = { token, checked };
    return checked;
  }

  #checkAndRemember(token: string): Checked | undefined {
    const claims = this.#check(token);
    const user = claims && userOf(claims);
    if (!user) return undefined;
    const checked = { claims, user, audiences: [claims.aud].flat() };
    if (this.#checked.size >= REMEMBERED) this.#checked.clear();
    this.#checked.set(token, checked);
    return checked;
  }

  #check(token: string): Claims | undefined {
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
    if (!account || this.#uid(serviceAccounts, namespace, account.name) !== account.uid) return false;
    if (facts.pod && this.#uid(pods, namespace, facts.pod.name) !== facts.pod.uid) return false;
    // A pod's token ends with the pod and not with its node.
    const { node } = facts;
    if (node && !facts.pod && this.#uid(nodes, '', node.name) !== node.uid) return false;
    return !facts.secret || this.#uid(secrets, namespace, facts.secret.name) === facts.secret.uid;
  }

  #uid(resource: { group: string; plural: string }, namespace: string, name: string): string | undefined {
    const object = this.#cache.resource(resource).get(objectKey(resource, namespace, name));
    if (!object) return undefined;
    let uid = uids.get(object);
    if (uid === undefined) {
      uid = object.parse().metadata?.uid ?? '';
      uids.set(object, uid);
    }
    return uid;
  }
}

function userOf(claims: Claims): User | undefined {
  const facts = claims['kubernetes.io'];
  if (!facts?.serviceaccount) return undefined;
  const { pod, node } = facts;
  const told = {
    'credential-id': claims.jti && `JTI=${claims.jti}`,
    'node-name': node?.name,
    'node-uid': node?.uid,
    'pod-name': pod?.name,
    'pod-uid': pod?.uid,
  };
  const extra = Object.fromEntries(
    Object.entries(told).flatMap(([key, value]) => (value ? [[`authentication.kubernetes.io/${key}`, [value]]] : [])),
  );
  return {
    name: claims.sub,
    uid: facts.serviceaccount.uid,
    groups: [...serviceAccountGroups(facts.namespace), 'system:authenticated'],
    extra,
  };
}
