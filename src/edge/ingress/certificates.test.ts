import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { Secret } from '../../api/types.ts';
import { CertificateAuthority } from '../../cluster/pki.ts';
import type { Identity } from '../../cluster/pki-files.ts';
import { readCertificate, settleCertificates } from './certificates.ts';
import { planIngress } from './ingress.ts';
import { readSettings } from './settings.ts';
import { testIngress } from './testing.ts';

let one: Identity;
let other: Identity;

before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'knit-certificates-'));
  const authority = await CertificateAuthority.open(folder);
  one = await authority.identity('one', { commonName: 'one', dnsNames: ['one.test', '*.one.test'] });
  other = await authority.identity('other', { commonName: 'other', dnsNames: ['other.test'] });
  rmSync(folder, { recursive: true, force: true });
});

/** Of a curve of 192 bits. */
const weak = {
  key: `-----BEGIN PRIVATE KEY-----
MG8CAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQEEVTBTAgEBBBiHzx6aHnXHZkqrDLri
Aik1JEtvYTyGXM+hNAMyAAS0EABfxPSSsl0HXkEeWPCe+ODkQaS7P6ugJgW+dnQ2
HLGQsVr2e8lSG/Ge6zFJKEU=
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBXjCCARWgAwIBAgIUARVh7hC9qsf1NZ1KUdoooEQ5Ci4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJd2Vhay50ZXN0MCAXDTI2MTEyOTE3NTE0NVoYDzIxMjYxMTA1
MTc1MTQ1WjAUMRIwEAYDVQQDDAl3ZWFrLnRlc3QwSTATBgcqhkjOPQIBBggqhkjO
PQMBAQMyAAS0EABfxPSSsl0HXkEeWPCe+ODkQaS7P6ugJgW+dnQ2HLGQsVr2e8lS
G/Ge6zFJKEWjUzBRMB0GA1UdDgQWBBSihqowZCKTmwja/vLGx9XmIflbpTAfBgNV
HSMEGDAWgBSihqowZCKTmwja/vLGx9XmIflbpTAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCAzcAMDQCGHizeUMy+UeH7ILFUdVCDbKLyuIZojktDwIYW7dB6OqP
kLkolkFcGT0ZzqWEp/QSPzCQ
-----END CERTIFICATE-----`,
};

const secret = (cert: string, key: string): Secret => ({ data: { 'tls.crt': btoa(cert), 'tls.key': btoa(key) } });

const plan = (name: string, tls: readonly object[], createdAt?: string) =>
  planIngress(testIngress(name, {}, { tls: [...tls], createdAt }), readSettings({}).settings);

test('chain and key are taken out of a Secret, without what stands around them', () => {
  const read = readCertificate(secret(`a note\n\n${one.cert}\n\n${other.cert}`, `\n${one.key}\n`));
  assert.ok('pem' in read);
  assert.doesNotMatch(read.pem, /\n\n|note/);
  assert.equal(read.pem.match(/BEGIN/g)?.length, 3);
});

test('what the proxy would refuse is a problem, and never thrown', () => {
  const problemOf = (each: Secret | undefined) => {
    const read = readCertificate(each);
    return 'problem' in read ? read.problem : 'none';
  };
  assert.equal(problemOf(undefined), 'is not there');
  assert.equal(problemOf({ data: {} }), 'has no tls.crt and tls.key');
  assert.equal(problemOf(secret(one.cert, other.key)), 'has a key that is not its certificate’s');
  assert.match(problemOf(secret('nonsense', one.key)), /no certificate/);
  assert.match(problemOf(secret(one.cert, 'nonsense')), /^cannot be read: /);
  assert.match(problemOf(secret(one.cert.repeat(40), one.key)), /bytes; 15000 fit/);
  assert.equal(problemOf(secret(weak.cert, weak.key)), 'is too weak for TLS: ee key too small');
});

test('a name is the older Ingress’ where two have certificates for it, and a broken one leaves it to the next', () => {
  const secrets = {
    'shop/one': readCertificate(secret(one.cert, one.key)),
    'shop/other': readCertificate(secret(other.cert, other.key)),
  };
  const certificateOf = (key: string) => secrets[key as keyof typeof secrets] ?? readCertificate(undefined);
  const { certificates, notes } = settleCertificates(
    [
      plan('younger', [{ hosts: ['a.test', 'b.test'], secretName: 'other' }]),
      plan(
        'older',
        [
          { hosts: ['a.test'], secretName: 'one' },
          { hosts: ['b.test'], secretName: 'missing' },
        ],
        '2025-01-01T00:00:00Z',
      ),
    ],
    certificateOf,
  );
  assert.deepEqual(
    [...certificates.values()].map(({ name, hosts }) => [name, ...hosts]),
    [
      ['shop_one', 'a.test'],
      ['shop_other', 'b.test'],
    ],
  );
  assert.deepEqual(
    [...notes].map(([key, list]) => [key, ...list.map(({ reason }) => reason)]),
    [
      ['shop/older', 'CertificateUnusable'],
      ['shop/younger', 'Conflict'],
    ],
  );
});

test('a certificate without hosts is shown for its own names, also beside one with hosts', () => {
  const certificateOf = () => readCertificate(secret(one.cert, one.key));
  const hostsOf = (...tls: object[]) =>
    settleCertificates([plan('a', tls)], certificateOf).certificates.get('shop_one')?.hosts;
  assert.deepEqual(hostsOf({ secretName: 'one' }), []);
  assert.deepEqual(hostsOf({ secretName: 'one' }, { secretName: 'one', hosts: ['x.test'] }), [
    '*.one.test',
    'one.test',
    'x.test',
  ]);
});
