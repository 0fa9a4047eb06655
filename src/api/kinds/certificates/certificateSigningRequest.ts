import type { CertificateSigningRequest } from '../../types.ts';
import { defineKind, subresource } from '../define.ts';

export const certificateSigningRequest = defineKind<CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  namespaced: false,
  shortNames: ['csr'],
  hasStatus: true,
  subresources: [subresource('approval', 'CertificateSigningRequest', ['get', 'patch', 'update'])],
});
