import type { Secret } from '../../api/types.ts';
import { type ReadCertificate, readCertificate } from '../ingress/certificates.ts';
import { named, type Pem } from './authorities.ts';
import type { Problem } from './conditions.ts';
import { isGranted } from './grants.ts';
import type { Gateway, ObjectReference, ReferenceGrant } from './objects.ts';

export interface CertificateObjects {
  readonly grants: readonly ReferenceGrant[];
  secret(key: string): Secret | undefined;
}

/** A certificate that a Secret has. */
export interface SecretCertificate {
  /** `namespace/name` */
  readonly secret: string;
  readonly pem: string;
}

/** Reads what `from` refers to. */
export function certificateOf(
  { group = '', kind = 'Secret', name, namespace }: ObjectReference,
  from: { readonly kind: string; readonly namespace: string },
  { grants, secret }: CertificateObjects,
): SecretCertificate | Problem {
  if (group !== '' || kind !== 'Secret') {
    return { reason: 'InvalidCertificateRef', message: `${kind} ${name}: certificates are taken from Secrets` };
  }
  const to = { group, kind, name, namespace: namespace ?? from.namespace };
  const key = `${to.namespace}/${name}`;
  if (!isGranted({ from, to }, grants)) {
    return { reason: 'RefNotPermitted', message: `no ReferenceGrant lets this ${from.kind} use Secret ${key}` };
  }
  const found = read(secret(key));
  if ('problem' in found) return { reason: 'InvalidCertificateRef', message: `Secret ${key} ${found.problem}` };
  return { secret: key, pem: found.pem };
}

/** What a Gateway shows to servers that ask for a certificate. */
export function shownToServers({ metadata, spec }: Gateway, objects: CertificateObjects): Pem | Problem | undefined {
  const ref = spec.tls?.backend?.clientCertificateRef;
  const found = ref && certificateOf(ref, { kind: 'Gateway', namespace: metadata?.namespace ?? '' }, objects);
  if (!found) return undefined;
  if ('pem' in found) return named('shown', found.pem);
  return found.reason === 'InvalidCertificateRef' ? { ...found, reason: 'InvalidClientCertificateRef' } : found;
}

const alreadyRead = new WeakMap<Secret, ReadCertificate>();

/** Objects of a copy never change: each is read once. */
function read(secret: Secret | undefined): ReadCertificate {
  const known = secret && alreadyRead.get(secret);
  if (known) return known;
  const result = readCertificate(secret);
  if (secret) alreadyRead.set(secret, result);
  return result;
}
