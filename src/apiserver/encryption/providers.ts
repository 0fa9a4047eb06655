import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';

/** Hides values under one key. What it writes begins with `prefix`, as in Kubernetes' own store. */
export interface Provider {
  readonly prefix: string;
  /** `context` is the value's key in the store: it cannot be moved to another one. */
  encrypt(value: string, context: string): string;
  /** @throws Error where it was not written under this key, or was changed */
  decrypt(text: string, context: string): string;
}

/** Keeps values as they are. */
export const identity: Provider = { prefix: '', encrypt: (value) => value, decrypt: (text) => text };

const TAG = 16;

/** AES-GCM: the nonce, then the encrypted value and its tag. */
export function aesgcm(name: string, key: Buffer): Provider {
  const algorithm = `aes-${key.length * 8}-gcm` as 'aes-256-gcm';
  const size = 12;
  return {
    prefix: `k8s:enc:aesgcm:v1:${name}:`,
    encrypt(value, context) {
      const nonce = randomBytes(size);
      const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(context));
      return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]).toString('base64');
    },
    decrypt(text, context) {
      const bytes = Buffer.from(text, 'base64');
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, size)).setAAD(Buffer.from(context));
      decipher.setAuthTag(bytes.subarray(-TAG));
      return Buffer.concat([decipher.update(bytes.subarray(size, -TAG)), decipher.final()]).toString('utf8');
    },
  };
}

/** AES-CBC with PKCS #7 padding: the initialization vector, then the encrypted value. Nothing guards it from changes. */
export function aescbc(name: string, key: Buffer): Provider {
  const algorithm = `aes-${key.length * 8}-cbc`;
  const size = 16;
  return {
    prefix: `k8s:enc:aescbc:v1:${name}:`,
    encrypt(value) {
      const vector = randomBytes(size);
      const cipher = createCipheriv(algorithm, key, vector);
      return Buffer.concat([vector, cipher.update(value), cipher.final()]).toString('base64');
    },
    decrypt(text) {
      const bytes = Buffer.from(text, 'base64');
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, size));
      return Buffer.concat([decipher.update(bytes.subarray(size)), decipher.final()]).toString('utf8');
    },
  };
}

/** XSalsa20 and Poly1305: the nonce, then the tag and the encrypted value. The key has 32 bytes. */
export function secretbox(name: string, key: Buffer): Provider {
  const size = 24;
  return {
    prefix: `k8s:enc:secretbox:v1:${name}:`,
    encrypt(value) {
      const nonce = randomBytes(size);
      return Buffer.concat([nonce, xsalsa20poly1305(key, nonce).encrypt(Buffer.from(value))]).toString('base64');
    },
    decrypt(text) {
      const bytes = Buffer.from(text, 'base64');
      const value = xsalsa20poly1305(key, bytes.subarray(0, size)).decrypt(bytes.subarray(size));
      return Buffer.from(value).toString('utf8');
    },
  };
}
