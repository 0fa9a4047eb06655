import type { FieldError } from '../../kind.ts';
import type { CertificateSigningRequest } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind, subresource } from '../define.ts';
import { humanDuration } from '../duration.ts';
import { pathSegment } from '../names.ts';
import { validateRequest } from './csr-validation.ts';
import { completeStatus, validateRequestStatus } from './request-status.ts';

export const certificateSigningRequest = defineKind<CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  namespaced: false,
  shortNames: ['csr'],
  hasStatus: true,
  subresources: [subresource('approval', 'CertificateSigningRequest', ['get', 'patch', 'update'])],
  // Its names are anything that a URL can hold.
  nameRule: pathSegment,
  /** What was asked for stays as it was asked for. */
  prepareForUpdate(object, old, subresource = '') {
    object.spec = old.spec;
    if (subresource === '') return;
    object.status ??= {};
    completeStatus(object.status, old.status ?? {}, subresource === 'approval');
  },
  validate({ spec, status }, old, subresource = ''): FieldError[] {
    if (old && subresource !== '') {
      return validateRequestStatus(status ?? {}, old.status ?? {}, subresource === 'approval');
    }
    // What is there already is not looked at again.
    return old ? [] : validateRequest(spec);
  },
  fieldLabels: { 'spec.signerName': ({ spec }) => spec?.signerName ?? '' },
  columns: [
    nameColumn,
    ageColumn,
    text('SignerName', ({ spec }) => spec?.signerName || '<none>', 'Who should sign it.'),
    text('Requestor', ({ spec }) => spec?.username ?? '', 'Who asks.'),
    text('RequestedDuration', requestedDuration, 'How long it should be good for.'),
    text('Condition', conditionOf, 'What was decided.'),
  ],
});

function requestedDuration({ spec }: CertificateSigningRequest): string {
  return spec?.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000);
}

function conditionOf({ status }: CertificateSigningRequest): string {
  const types = (status?.conditions ?? []).map(({ type }) => type);
  const decided = types.includes('Denied') ? 'Denied' : types.includes('Approved') ? 'Approved' : 'Pending';
  const failed = types.includes('Failed') ? ',Failed' : '';
  return `${decided}${failed}${status?.certificate ? ',Issued' : ''}`;
}
