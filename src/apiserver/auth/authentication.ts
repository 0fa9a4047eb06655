import type { PeerCertificate } from 'node:tls';
import type { User } from '../request.ts';

export const AUTHENTICATED = 'system:authenticated';

/** Who says nothing of themselves. */
export const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** The user of a client certificate that the TLS layer has verified: CN is the name, each O a group. */
export function userOfCertificate(certificate: PeerCertificate): User | undefined {
  const name = first(certificate.subject?.CN);
  if (!name) return undefined;
  const groups = [certificate.subject.O ?? []].flat();
  return { name, groups: groups.includes(AUTHENTICATED) ? groups : [...groups, AUTHENTICATED] };
}

const scheme = 'bearer ';

/** Who knows tokens of one kind. */
export interface TokenAuthenticator {
  /** `undefined` where the token is none of its own, or holds no more. */
  userOf(token: string): User | undefined;
}

/** The user of an `Authorization` header (RFC 6750 §2.1), by the first who knows the token. */
export function userOfToken(header: string, authenticators: readonly TokenAuthenticator[]): User | undefined {
  if (header.slice(0, scheme.length).toLowerCase() !== scheme) return undefined;
  const token = header.slice(scheme.length);
  for (const authenticator of authenticators) {
    const user = authenticator.userOf(token);
    if (user) return user;
  }
  return undefined;
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
