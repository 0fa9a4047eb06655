import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** An image made of folders: each becomes one layer. */
export interface ImageSource {
  /** `knit.dev/lab:1` */
  readonly ref: string;
  readonly layers: readonly string[];
  /** Image configuration of OCI: `Entrypoint`, `Cmd`, `Env`, `ExposedPorts`, `WorkingDir`, `User`, `StopSignal`. */
  readonly config: Readonly<Record<string, unknown>>;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * Writes images into one OCI archive, as `ctr images import`, `docker load` and `knit image load` read them. The same
 * folders always give the same bytes. Layers are not compressed: archives stay on the machine, and importing is faster.
 */
export function writeOciArchive(path: string, images: readonly ImageSource[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'knit-image-'));
  try {
    mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true });
    const layers = new Map<string, Descriptor>();
    const manifests = images.map((image) => {
      for (const layer of image.layers) {
        if (!layers.has(layer)) layers.set(layer, writeLayer(folder, layer));
      }
      const manifest = writeManifest(
        folder,
        image,
        image.layers.map((layer) => layers.get(layer)!),
      );
      return { ...manifest, annotations: { 'io.containerd.image.name': image.ref } };
    });
    writeJson(join(folder, 'oci-layout'), { imageLayoutVersion: '1.0.0' });
    writeJson(join(folder, 'index.json'), { schemaVersion: 2, manifests });
    mkdirSync(dirname(path), { recursive: true });
    tar(folder, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeLayer(folder: string, source: string): Descriptor {
  const file = join(folder, 'layer.tar');
  tar(source, file);
  const descriptor = describe('application/vnd.oci.image.layer.v1.tar', readFileSync(file));
  copyFileSync(file, blobPath(folder, descriptor));
  rmSync(file);
  return descriptor;
}

function writeManifest(folder: string, image: ImageSource, layers: readonly Descriptor[]): Descriptor {
  const config = writeBlob(folder, 'application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: image.config,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  return writeBlob(folder, mediaType, { schemaVersion: 2, mediaType, config, layers });
}

function writeBlob(folder: string, mediaType: string, value: unknown): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value));
  const descriptor = describe(mediaType, bytes);
  writeFileSync(blobPath(folder, descriptor), bytes);
  return descriptor;
}

function describe(mediaType: string, bytes: Buffer): Descriptor {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { mediaType, digest, size: bytes.length };
}

function blobPath(folder: string, descriptor: Descriptor): string {
  return join(folder, 'blobs', ...descriptor.digest.split(':'));
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, JSON.stringify(value));
}

function tar(folder: string, file: string): void {
  const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  execFileSync('tar', ['-C', folder, ...reproducible, '--exclude=./layer.tar', '-cf', file, '.'], { stdio: 'inherit' });
}
