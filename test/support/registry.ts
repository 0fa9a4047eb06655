import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ImageSource, writeOciArchive } from '../../scripts/oci-archive.ts';

/** The pull side of a registry (OCI Distribution Specification 1.1, "Pull"), on this machine. */
export interface TestRegistry {
  readonly port: number;
  /** `GET /v2/apps/hello/manifests/1 as ada`, as they came. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

export interface RegistryOptions {
  readonly host: string;
  /** `apps/hello:1` is a reference. */
  readonly images: readonly ImageSource[];
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Who may pull; left out: everybody. */
  readonly user?: { readonly name: string; readonly password: string };
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export async function startRegistry(options: RegistryOptions): Promise<TestRegistry> {
  const folder = unpack(options.images);
  const index: { manifests: Descriptor[] } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
  const requests: string[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const user = userOf(request);
    requests.push(`${request.method} ${request.url} as ${user?.name ?? 'nobody'}`);
    const refused = options.user && (user?.name !== options.user.name || user.password !== options.user.password);
    if (refused) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
    answer(folder, index.manifests, request, response);
  };
  const server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function unpack(images: readonly ImageSource[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'knit-registry-'));
  const archive = join(folder, 'images.tar');
  writeOciArchive(archive, images);
  execFileSync('tar', ['-C', folder, '-xf', archive]);
  writeFileSync(archive, '');
  return folder;
}

function answer(
  folder: string,
  manifests: readonly Descriptor[],
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname } = new URL(request.url ?? '', 'http://registry');
  const [, name = '', kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? [];
  if (pathname === '/v2/') return void response.end('{}');
  const manifest = manifests.find(
    (each) =>
      each.digest === reference || each.annotations['io.containerd.image.name']?.endsWith(`${name}:${reference}`),
  );
  const digest = kind === 'manifests' ? manifest?.digest : reference;
  const content = digest && readBlob(folder, digest);
  if (!content) {
    const code = kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN';
    return void response.writeHead(404).end(JSON.stringify({ errors: [{ code, message: `${reference} is unknown` }] }));
  }
  response.writeHead(200, {
    'content-type': (kind === 'manifests' && manifest?.mediaType) || 'application/octet-stream',
    'content-length': content.length,
    'docker-content-digest': digest,
  });
  response.end(request.method === 'HEAD' ? undefined : content);
}

function readBlob(folder: string, digest: string): Buffer | undefined {
  const [, hash] = /^sha256:([0-9a-f]{64})$/.exec(digest) ?? [];
  try {
    return hash === undefined ? undefined : readFileSync(join(folder, 'blobs/sha256', hash));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** From HTTP basic authentication (RFC 7617). */
function userOf(request: IncomingMessage): { name: string; password: string } | undefined {
  const [, encoded] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const [name = '', ...password] = Buffer.from(encoded, 'base64').toString().split(':');
  return { name, password: password.join(':') };
}
