import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate and its private key, PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** An identity that was issued before. (Issuing is in pki.ts, whose library is slow to load.) */
export function readIdentity(folder: string, name: string): Identity | undefined {
  const paths = filesOf(folder, name);
  if (!existsSync(paths.cert) || !existsSync(paths.key)) return undefined;
  return { cert: readFileSync(paths.cert, 'utf8'), key: readFileSync(paths.key, 'utf8') };
}

export function filesOf(folder: string, name: string): { cert: string; key: string } {
  return { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
}
