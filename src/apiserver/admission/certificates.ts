import type { CertificateSigningRequest } from '../../api/types.ts';
import type { AdmissionPlugin } from './chain.ts';

/** Writes into a request for a certificate who makes it: nobody can say that of themselves. */
export const certificateRequester: AdmissionPlugin = {
  name: 'CertificateRequester',
  admit({ kind, operation, subresource, object, user }) {
    const isRequest = kind.group === 'certificates.k8s.io' && kind.kind === 'CertificateSigningRequest';
    if (!isRequest || operation !== 'CREATE' || subresource !== '') return undefined;
    const request = object as CertificateSigningRequest;
    if (!request.spec) return undefined;
    request.spec.username = user.name;
    request.spec.uid = user.uid;
    request.spec.groups = [...user.groups];
    request.spec.extra =
      user.extra && Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
    return undefined;
  },
};
