import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { Certificates } from './faults.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 24 * 60 * 60_000;

/** One that has ended, and one that is for another host. */
export async function certificates(): Promise<Certificates> {
  return { expired: await selfSigned('expired.example', -1), other: await selfSigned('other.example', 1) };
}

async function selfSigned(host: string, days: number): Promise<{ cert: string; key: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${host}`,
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 2 * dayMs),
    notAfter: new Date(Date.now() + days * dayMs),
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: host }])],
  });
  const der = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(der, 'PRIVATE KEY') };
}
