import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { writeFileAtomically } from './config.ts';
import { filesOf, type Identity, readIdentity } from './pki-files.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 24 * 60 * 60 * 1000;
const lifetimeMs = 10 * 365 * dayMs;
/** RFC 5280 §4.2.1.6 */
const SUBJECT_ALT_NAME = '2.5.29.17';

export interface CertificateRequest {
  /** The user's name, or the server's. */
  readonly commonName: string;
  /** The user's groups. */
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
}

/** The cluster's certificate authority, kept in a folder; made when it is not there. */
export class CertificateAuthority {
  readonly cert: string;
  readonly #folder: string;
  readonly #authority: { certificate: x509.X509Certificate; key: webcrypto.CryptoKey };

  private constructor(folder: string, cert: string, key: webcrypto.CryptoKey) {
    this.#folder = folder;
    this.cert = cert;
    this.#authority = { certificate: new x509.X509Certificate(cert), key };
  }

  /** `name`: of its files. */
  static async open(folder: string, name = 'ca'): Promise<CertificateAuthority> {
    const paths = filesOf(folder, name);
    if (!existsSync(paths.cert)) await CertificateAuthority.#create(folder, name);
    return new CertificateAuthority(
      folder,
      readFileSync(paths.cert, 'utf8'),
      await importKey(readFileSync(paths.key, 'utf8')),
    );
  }

  static async #create(folder: string, name: string): Promise<void> {
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: name === 'ca' ? 'CN=kubernetes' : `CN=${name}`,
      keys,
      signingAlgorithm: algorithm,
      ...validity(),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    save(folder, name, { cert: certificate.toString('pem'), key: await exportKey(keys.privateKey) });
  }

  /** The identity `name` of this folder; issued when it is not there. */
  async identity(name: string, request: CertificateRequest): Promise<Identity> {
    return readIdentity(this.#folder, name) ?? save(this.#folder, name, await this.#issue(request));
  }

  /** Signs what somebody asks for with a key of their own. `usages` are those of a CertificateSigningRequest. */
  async sign(request: x509.Pkcs10CertificateRequest, usages: readonly string[], lifetime: number): Promise<string> {
    const now = Date.now();
    const names = alternativeNames(request);
    const flags = usages.reduce((sum, usage) => sum | (usageFlags[usage] ?? 0), 0);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: request.subjectName,
      issuer: this.#authority.certificate.subject,
      publicKey: request.publicKey,
      signingKey: this.#authority.key,
      signingAlgorithm: algorithm,
      // Clocks of others may be a little behind.
      notBefore: new Date(now - 5 * 60_000),
      notAfter: new Date(now + lifetime),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        // An empty one would allow nothing.
        ...(flags === 0 ? [] : [new x509.KeyUsagesExtension(flags, true)]),
        new x509.ExtendedKeyUsageExtension(usages.flatMap((usage) => extendedUsages[usage] ?? [])),
        await x509.AuthorityKeyIdentifierExtension.create(this.#authority.certificate),
        ...(names ? [names] : []),
      ],
    });
    return certificate.toString('pem');
  }

  async #issue(request: CertificateRequest): Promise<Identity> {
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const names = [
      ...(request.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
      ...(request.addresses ?? []).map((value) => ({ type: 'ip' as const, value })),
    ];
    const certificate = await x509.X509CertificateGenerator.create({
      subject: [{ CN: [request.commonName] }, ...(request.organizations ?? []).map((each) => ({ O: [each] }))],
      issuer: this.#authority.certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#authority.key,
      signingAlgorithm: algorithm,
      ...validity(),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
        await x509.AuthorityKeyIdentifierExtension.create(this.#authority.certificate),
        ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ],
    });
    return { cert: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
  }
}

/** The other names that a request asks for. */
export function alternativeNames(
  request: x509.Pkcs10CertificateRequest,
): x509.SubjectAlternativeNameExtension | undefined {
  const found = request.getExtension(SUBJECT_ALT_NAME);
  return found ? new x509.SubjectAlternativeNameExtension(found.rawData) : undefined;
}

const usageFlags: Readonly<Record<string, number>> = {
  'digital signature': x509.KeyUsageFlags.digitalSignature,
  'key encipherment': x509.KeyUsageFlags.keyEncipherment,
};
const extendedUsages: Readonly<Record<string, x509.ExtendedKeyUsage>> = {
  'client auth': x509.ExtendedKeyUsage.clientAuth,
  'server auth': x509.ExtendedKeyUsage.serverAuth,
};

/** The key that signs service account tokens, PEM; made when it is not there. */
export async function serviceAccountKey(folder: string): Promise<string> {
  const path = join(folder, 'sa.key');
  if (!existsSync(path)) {
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    writeFileAtomically(path, await exportKey(keys.privateKey), 0o600);
  }
  return readFileSync(path, 'utf8');
}

function save(folder: string, name: string, identity: Identity): Identity {
  const paths = filesOf(folder, name);
  writeFileAtomically(paths.key, identity.key, 0o600);
  writeFileAtomically(paths.cert, identity.cert);
  return identity;
}

function validity(): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - dayMs), notAfter: new Date(now + lifetimeMs) };
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return await crypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
}
