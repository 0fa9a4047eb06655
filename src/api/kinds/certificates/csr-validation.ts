import type { FieldError } from '../../kind.ts';
import type { CertificateSigningRequest } from '../../types.ts';
import { all, duplicate, each, invalid, notSupported, required, tooLong } from '../errors.ts';
import { dnsLabel, dnsSubdomain } from '../names.ts';

type Spec = NonNullable<CertificateSigningRequest['spec']>;

const minSeconds = 600;
const maxSignerBytes = 571;
const knownUsages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

export function validateRequest(spec: Partial<Spec> = {}): FieldError[] {
  const { request, usages = [], expirationSeconds: seconds } = spec;
  return all(
    !isPem(request) && [invalid('spec.request', request ?? null, 'PEM block type must be CERTIFICATE REQUEST')],
    usages.length === 0 && [required('spec.usages')],
    each(usages, 'spec.usages', (usage, field) =>
      knownUsages.includes(usage) ? [] : [notSupported(field, usage, knownUsages)],
    ),
    each(usages, 'spec.usages', (usage, field, i) => (usages.indexOf(usage) < i ? [duplicate(field, usage)] : [])),
    validateSigner(spec.signerName ?? '', 'spec.signerName'),
    seconds !== undefined &&
      seconds < minSeconds && [
        invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 600 seconds (10 minutes)'),
      ],
  );
}

/** What is in it is looked at by who signs it. */
function isPem(request: string | undefined): boolean {
  const text = Buffer.from(request ?? '', 'base64').toString('latin1');
  return /-----BEGIN CERTIFICATE REQUEST-----.*-----END CERTIFICATE REQUEST-----/s.test(text);
}

/** `example.com/signer-name`: a domain, and names of which each is a label of one. */
function validateSigner(name: string, field: string): FieldError[] {
  if (name === '') return [required(field)];
  const [domain = '', path, ...more] = name.split('/');
  if (path === undefined || more.length > 0) {
    const form = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return [invalid(field, name, form)];
  }
  const labels = domain.split('.');
  const labelled = (text: string, part: string, wrong: string | undefined) =>
    wrong === undefined ? [] : [invalid(field, text, `validating label ${JSON.stringify(part)}: ${wrong}`)];
  return all(
    Buffer.byteLength(name) > maxSignerBytes && [tooLong(field, maxSignerBytes)],
    labels.flatMap((label) => labelled(domain, label, dnsLabel(label))),
    labels.length < 2 && [invalid(field, domain, 'should be a domain with at least two segments separated by dots')],
    path.split('.').flatMap((label) => labelled(path, label, dnsSubdomain(label))),
  );
}
