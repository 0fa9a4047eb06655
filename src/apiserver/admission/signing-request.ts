/** DER tags (X.690 §8). */
const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
/** id-at-commonName, 2.5.4.3 */
const COMMON_NAME = Buffer.from([0x55, 0x04, 0x03]);

interface Value {
  readonly tag: number;
  readonly content: Buffer;
}

/**
 * Name of the subject that a PKCS #10 request (RFC 2986) is for; the last one where there are several, `''` without one.
 * Done by hand: what reads certificates is loaded where one is signed, not in front of each write.
 *
 * @param request `spec.request` of a CertificateSigningRequest: base64 of PEM
 * @throws Error where it is no such request
 */
export function commonNameOf(request: string): string {
  const pem = Buffer.from(request, 'base64').toString('latin1');
  const text = /-----BEGIN CERTIFICATE REQUEST-----([^-]+)-----END/.exec(pem)?.[1] ?? '';
  const [certificationRequest] = valuesOf(Buffer.from(text, 'base64'));
  const [info] = inside(certificationRequest);
  const [, subject] = inside(info);
  let found = '';
  for (const relativeName of inside(subject)) {
    for (const attribute of valuesOf(relativeName.content)) {
      const [type, value] = inside(attribute);
      if (type?.tag === OBJECT_IDENTIFIER && type.content.equals(COMMON_NAME)) found = String(value?.content ?? '');
    }
  }
  return found;
}

function inside(value: Value | undefined): Value[] {
  if (value?.tag !== SEQUENCE) throw new Error('no sequence where one has to be');
  return valuesOf(value.content);
}

function valuesOf(bytes: Buffer): Value[] {
  const values: Value[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { length, start } = lengthAt(bytes, at + 1);
    if (start + length > bytes.length) throw new Error('a value is longer than what holds it');
    values.push({ tag: bytes[at] ?? 0, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return values;
}

/** Lengths beyond 127 say first in how many bytes they are written. */
function lengthAt(bytes: Buffer, at: number): { length: number; start: number } {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return { length: first, start: at + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 4 || at + 1 + count > bytes.length) throw new Error('a length cannot be read');
  return { length: bytes.readUIntBE(at + 1, count), start: at + 1 + count };
}
