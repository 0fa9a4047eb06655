import { serviceAccounts } from '../../api/resource.ts';
import type { Pod, TokenRequest } from '../../api/types.ts';
import type { Client } from '../../client/client.ts';

/** Tokens of service accounts, bound to the pod that they are for. */
export interface TokenSource {
  token(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string>;
  forget(uid: string): void;
}

interface IssuedToken {
  readonly token: string;
  /** ms since the epoch */
  readonly issued: number;
  readonly expires: number;
}

const DAY_MS = 86_400_000;

/** A token is asked for again after 80 % of its time, or after a day (the kubelet's rule). */
function isOld({ issued, expires }: IssuedToken, now: number): boolean {
  return now > issued + (expires - issued) * 0.8 || now - issued > DAY_MS;
}

export function createTokenSource(client: Client): TokenSource {
  const issued = new Map<string, IssuedToken>();
  return {
    async token(pod, audience, expirationSeconds) {
      const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
      const account = pod.spec?.serviceAccountName ?? 'default';
      const key = [uid, account, audience ?? '', expirationSeconds].join('\n');
      const now = Date.now();
      const known = issued.get(key);
      if (known && !isOld(known, now)) return known.token;
      const request: TokenRequest = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          audiences: audience ? [audience] : [],
          expirationSeconds,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
        },
      };
      const answer = await client.createSubresource(serviceAccounts, { name: account, namespace }, 'token', request);
      const { token = '', expirationTimestamp = '' } = answer.status ?? {};
      issued.set(key, { token, issued: now, expires: Date.parse(expirationTimestamp) });
      return token;
    },
    forget(uid) {
      for (const key of issued.keys()) if (key.startsWith(`${uid}\n`)) issued.delete(key);
    },
  };
}
