import { accessSync, constants, existsSync } from 'node:fs';
import { KnitError } from '../base/errors.ts';
import { run } from '../kernel/run.ts';
import type { ClusterConfig } from './config.ts';
import { clusterPaths } from './paths.ts';

/**
 * Loads an OCI or docker archive into the containerd of each of these nodes, side by side, and returns the names of
 * its images. Throws `IMAGE_ARCHIVE_INVALID` where it is none.
 */
export async function loadImages(config: ClusterConfig, archive: string, nodes: readonly string[]): Promise<string[]> {
  if (!existsSync(archive))
    throw new KnitError('FILE_UNREADABLE', `${archive} is not there`, 'give the path of an image archive');
  const loaded = await Promise.all(
    nodes.map((node) => {
      const socket = clusterPaths(config.name).node(node).containerdSocket;
      accessSync(socket, constants.W_OK);
      return importArchive(socket, archive);
    }),
  );
  return [...new Set(loaded.flat())];
}

/** `ctr images import`, in the namespace that CRI reads. */
export async function importArchive(socket: string, archive: string): Promise<string[]> {
  try {
    const output = await run('ctr', ['--address', socket, '--namespace', 'k8s.io', 'images', 'import', archive], {
      timeoutMs: 300_000,
    });
    return output.split('\n').flatMap((line) => /^unpacking (\S+)/.exec(line)?.[1] ?? []);
  } catch (error) {
    if (!(error instanceof KnitError) || error.code !== 'COMMAND_FAILED') throw error;
    throw new KnitError(
      'IMAGE_ARCHIVE_INVALID',
      `${archive} could not be loaded: ${reason(error)}`,
      'make it with docker save or skopeo copy … oci-archive:x.tar',
    );
  }
}

export interface ImageInfo {
  readonly name: string;
  readonly size: string;
  readonly nodes: readonly string[];
}

/** The images of all running nodes by name, and which nodes have each. */
export async function listImages(config: ClusterConfig): Promise<ImageInfo[]> {
  const perNode = await Promise.all(
    config.nodes.map(async (node) => {
      const socket = clusterPaths(config.name).node(node.name).containerdSocket;
      if (!existsSync(socket)) return [];
      // Refused here, it is told as a lack of rights.
      accessSync(socket, constants.W_OK);
      const output = await run('ctr', ['--address', socket, '--namespace', 'k8s.io', 'images', 'list']);
      return output
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => ({ node: node.name, ...parseImage(line) }));
    }),
  );
  const named = perNode.flat().filter((image) => !image.name.startsWith('sha256:'));
  return [...Map.groupBy(named, (image) => image.name)].map(([name, found]) => ({
    name,
    size: found[0]?.size ?? '',
    nodes: found.map((image) => image.node),
  }));
}

/** A line of `ctr images list`: REF TYPE DIGEST SIZE UNIT PLATFORMS LABELS. */
function parseImage(line: string): { name: string; size: string } {
  const [name = '', , , size = '', unit = ''] = line.split(/\s+/);
  return { name, size: `${size} ${unit}` };
}

function reason(error: KnitError): string {
  return (
    error.message
      .split('\n')
      .at(-1)
      ?.replace(/^.*exited with \d+: /, '')
      .replace(/^ctr: /, '') ?? ''
  );
}
