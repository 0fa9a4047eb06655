import type { PeerCertificate } from 'node:tls';
import type { User } from '../request.ts';
import type { TokenIssuer } from './tokens.ts';

export const AUTHENTICATED = 'system:authenticated';

/** The user of a client certificate that the TLS layer has verified: CN is the name, each O a group. */
export function userOfCertificate(certificate: PeerCertificate): User | undefined {
  const name = first(certificate.subject?.CN);
  if (!name) return undefined;
  const groups = [certificate.subject.O ?? []].flat();
  return { name, groups: groups.includes(AUTHENTICATED) ? groups : [...groups, AUTHENTICATED] };
}

/** The user of an `Authorization` header. */
export function userOfToken(header: string, tokens: TokenIssuer): User | undefined {
  const [, token] = /^bearer (\S+)$/i.exec(header) ?? [];
  return token === undefined ? undefined : tokens.verify(token)?.user;
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
