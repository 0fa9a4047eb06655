import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Secret } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { olderFirst } from './claims.ts';
import type { IngressPlan, Note } from './ingress.ts';
import type { CertificatePlan } from './plan.ts';

/** Larger ones do not fit into the proxy's buffer for commands. Real chains have 4 to 8 KB. */
const LARGEST = 15_000;

export type ReadCertificate = { readonly pem: string } | { readonly problem: string };

/** Takes chain and key out of a Secret, checked as the proxy will check them: what it refuses would stop all others. */
export function readCertificate(secret: Secret | undefined): ReadCertificate {
  if (!secret) return { problem: 'is not there' };
  const chain = decode(secret.data?.['tls.crt']);
  const key = decode(secret.data?.['tls.key']);
  if (!chain || !key) return { problem: 'has no tls.crt and tls.key' };
  try {
    const certificates = chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    const parsed = certificates.map((pem) => new X509Certificate(pem));
    const privateKey = createPrivateKey(key);
    if (!parsed[0]) return { problem: 'has no certificate in tls.crt' };
    if (!parsed[0].checkPrivateKey(privateKey)) return { problem: 'has a key that is not its certificate’s' };
    const pem = [...certificates, privateKey.export({ type: 'pkcs8', format: 'pem' })].map((each) =>
      each
        .toString()
        .replaceAll(/\s*\n\s*/g, '\n')
        .trim(),
    );
    const text = `${pem.join('\n')}\n`;
    if (text.length > LARGEST) return { problem: `has ${text.length} bytes; ${LARGEST} fit` };
    const weakness = weaknessOf(parsed, text);
    return weakness ? { problem: `is too weak for TLS: ${weakness}` } : { pem: text };
  } catch (error) {
    return { problem: `cannot be read: ${messageOf(error)}` };
  }
}

/** What OpenSSL has against keys and signatures, as distributions set it up: SSL_CTX_set_security_level(3), level 2. */
function weaknessOf(chain: readonly X509Certificate[], pem: string): string | undefined {
  // Who signed itself is trusted or not, whatever the signature.
  const signed = chain.find((each) => /md[245]|sha1/i.test(each.signatureAlgorithm ?? '') && !each.checkIssued(each));
  if (signed) return `signed with ${signed.signatureAlgorithm}`;
  try {
    createSecureContext({ cert: pem, key: pem, ciphers: 'DEFAULT@SECLEVEL=2' });
    return undefined;
  } catch (error) {
    return (error as { reason?: string }).reason ?? messageOf(error);
  }
}

function decode(base64: string | undefined): string {
  return Buffer.from(base64 ?? '', 'base64').toString('utf8');
}

export interface SettledCertificates {
  readonly certificates: ReadonlyMap<string, CertificatePlan>;
  readonly notes: ReadonlyMap<string, readonly Note[]>;
}

/** Gives each host one certificate: that of the oldest Ingress which has a good one for it. */
export function settleCertificates(
  plans: Iterable<IngressPlan>,
  certificateOf: (secret: string) => ReadCertificate,
): SettledCertificates {
  const certificates = new Map<string, { pem: string; hosts: Set<string>; ownNames: boolean }>();
  const notes = new Map<string, Note[]>();
  const secretOfHost = new Map<string, string>();
  for (const { key, certificates: wants } of [...plans].toSorted(olderFirst)) {
    const warn = (reason: string, message: string) =>
      notes.set(key, [...(notes.get(key) ?? []), { type: 'Warning', reason, message }]);
    for (const { secret, hosts } of wants) {
      const read = certificateOf(secret);
      if ('problem' in read) {
        warn('CertificateUnusable', `Secret ${secret} ${read.problem}: the proxy's own certificate serves instead`);
        continue;
      }
      const own = hosts.filter((host) => (secretOfHost.get(host) ?? secret) === secret);
      for (const host of hosts.filter((each) => !own.includes(each))) {
        warn('Conflict', `${host} has the certificate of Secret ${secretOfHost.get(host)}, of an older Ingress`);
      }
      for (const host of own) secretOfHost.set(host, secret);
      const name = secret.replace('/', '_');
      const present = certificates.get(name) ?? { pem: read.pem, hosts: new Set<string>(), ownNames: false };
      for (const host of own) present.hosts.add(host);
      certificates.set(name, { ...present, ownNames: present.ownNames || hosts.length === 0 });
    }
  }
  return { certificates: new Map([...certificates].flatMap(([name, each]) => certificatePlan(name, each))), notes };
}

function certificatePlan(
  name: string,
  { pem, hosts, ownNames }: { pem: string; hosts: Set<string>; ownNames: boolean },
): [string, CertificatePlan][] {
  if (hosts.size === 0 && !ownNames) return [];
  const names = ownNames && hosts.size > 0 ? [...hosts, ...namesOf(pem)] : [...hosts];
  return [[name, { name, pem, hosts: [...new Set(names)].toSorted() }]];
}

/** The names that stand in a certificate. */
export function namesOf(pem: string): string[] {
  const names = new X509Certificate(pem).subjectAltName ?? '';
  return names.split(/,\s*/).flatMap((each) => (each.startsWith('DNS:') ? [each.slice(4).toLowerCase()] : []));
}
