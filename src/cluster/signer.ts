import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { CertificateOrder, CertificateSigner } from '../controllers/index.ts';
import { alternativeNames, CertificateAuthority } from './pki.ts';

/** Signs with the cluster's CA, whose files are in `folder`. */
export function signerOf(folder: string): CertificateSigner {
  return {
    async read(request) {
      const parsed = new x509.Pkcs10CertificateRequest(request);
      if (!(await parsed.verify())) throw new Error('the request is not signed by its own key');
      const names = alternativeNames(parsed)?.names.items ?? [];
      return {
        commonName: parsed.subjectName.getField('CN')[0] ?? '',
        organizations: parsed.subjectName.getField('O'),
        names: names.map(({ type, value }) => ({ type, value })),
      };
    },
    async sign({ request, usages, lifetimeMs }: CertificateOrder) {
      const authority = await CertificateAuthority.open(folder);
      return await authority.sign(new x509.Pkcs10CertificateRequest(request), usages, lifetimeMs);
    },
  };
}
