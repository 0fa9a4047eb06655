import { createHash, X509Certificate } from 'node:crypto';
import type { ConfigMap } from '../../api/types.ts';
import type { Problem } from './conditions.ts';
import { isGranted } from './grants.ts';
import type { ObjectReference, ReferenceGrant } from './objects.ts';

export interface AuthorityObjects {
  readonly grants: readonly ReferenceGrant[];
  configMap(key: string): ConfigMap | undefined;
}

/** Certificates, for some with a key; what is the same is named the same. */
export interface Pem {
  readonly name: string;
  readonly pem: string;
}

/** What was found of some references, and what is wrong with the first one that led nowhere. */
export interface ReadAuthorities {
  readonly authorities?: Pem;
  readonly unresolved?: Problem;
}

/** Reads the authorities that `from` refers to. `unknownKind` is the reason where that is no ConfigMap. */
export function readAuthorities(
  refs: readonly ObjectReference[],
  from: { readonly kind: string; readonly namespace: string },
  unknownKind: string,
  { grants, configMap }: AuthorityObjects,
): ReadAuthorities {
  const read = refs.map(({ group = '', kind = 'ConfigMap', name, namespace = from.namespace }): string | Problem => {
    const key = `${namespace}/${name}`;
    if (group !== '' || kind !== 'ConfigMap') {
      return { reason: unknownKind, message: `${kind} ${key}: authorities are taken from ConfigMaps` };
    }
    if (!isGranted({ from, to: { group, kind, name, namespace } }, grants)) {
      return { reason: 'RefNotPermitted', message: `no ReferenceGrant lets this ${from.kind} use ConfigMap ${key}` };
    }
    const pem = certificatesIn(configMap(key)?.data?.['ca.crt']);
    return pem ?? { reason: 'InvalidCACertificateRef', message: `ConfigMap ${key} has no certificates in ca.crt` };
  });
  const pem = read.filter((each) => typeof each === 'string').join('');
  return {
    authorities: pem === '' ? undefined : named('ca', pem),
    unresolved: read.find((each) => typeof each !== 'string'),
  };
}

/** Long enough that nobody finds other certificates with the same name. */
export function named(what: string, pem: string): Pem {
  return { name: `${what}-${createHash('sha256').update(pem).digest('hex')}`, pem };
}

/** The certificates of a bundle, or nothing where it has something else. */
function certificatesIn(bundle = ''): string | undefined {
  const found = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return found.length > 0 ? found.map((pem) => new X509Certificate(pem).toString()).join('') : undefined;
  } catch {
    return undefined;
  }
}
