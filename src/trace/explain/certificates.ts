import { X509Certificate } from 'node:crypto';
import type { Report } from './model.ts';

/** Whether the certificate that a proxy shows is one for this host, today. Without a host only the time is looked at. */
export function checkPem(
  report: Report,
  of: 'INGRESS' | 'GATEWAY',
  subject: string,
  pem: string,
  host: string | undefined,
): void {
  const certificate = new X509Certificate(pem);
  if (Date.parse(certificate.validTo) < Date.now()) {
    const message = `the certificate in ${subject} ended ${certificate.validTo}`;
    report.fail('certificate', `${of}_CERTIFICATE_EXPIRED`, subject, message);
  } else if (host !== undefined && !certificate.checkHost(host)) {
    const evidence = [`it is for ${certificate.subjectAltName ?? certificate.subject}`];
    const message = `the certificate in ${subject} is not for ${host}`;
    report.fail('certificate', `${of}_CERTIFICATE_HOST`, subject, message, { evidence });
  } else {
    report.pass(
      'certificate',
      `${subject} is ${host === undefined ? 'valid' : `for ${host}`} until ${certificate.validTo}`,
    );
  }
}
