import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Writes an archive in the form of `docker save` (Docker Image Specification v1.2): one image with one small file. */
export function writeDockerArchive(path: string, ref: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'knit-docker-'));
  try {
    mkdirSync(join(folder, 'files'));
    writeFileSync(join(folder, 'files', 'hello'), ref);
    execFileSync('tar', ['-C', join(folder, 'files'), '-cf', join(folder, 'layer.tar'), '.']);
    const config = JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Cmd: ['/hello'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(readFileSync(join(folder, 'layer.tar')))}`] },
    });
    const configFile = `${sha256(config)}.json`;
    writeFileSync(join(folder, configFile), config);
    const manifest = [{ Config: configFile, RepoTags: [ref], Layers: ['layer.tar'] }];
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
    execFileSync('tar', ['-C', folder, '-cf', path, 'manifest.json', configFile, 'layer.tar']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
