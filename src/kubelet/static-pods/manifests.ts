import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Pod, Toleration } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';

export const configAnnotation = {
  source: 'kubernetes.io/config.source',
  hash: 'kubernetes.io/config.hash',
  seen: 'kubernetes.io/config.seen',
  mirror: 'kubernetes.io/config.mirror',
} as const;

/** Static pods stay on their node whatever becomes of it. */
const stays: Toleration = { operator: 'Exists', effect: 'NoExecute' };

/** The pods of a folder's manifests, YAML or JSON; files that begin with a dot are nobody's. */
export async function readManifests(folder: string, nodeName: string, log: Log): Promise<Pod[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
  const pods: Pod[] = [];
  for (const file of files.sort()) {
    const pod = await readManifest(path.join(folder, file), nodeName).catch((error: unknown) => {
      log.warn('a static pod’s manifest cannot be read', { file, error: messageOf(error) });
      return undefined;
    });
    if (pod) pods.push(pod);
  }
  return pods;
}

async function readManifest(file: string, nodeName: string): Promise<Pod> {
  const { parse } = await import('yaml');
  const text = await readFile(file, 'utf8');
  return staticPod(parse(text), { file, text, nodeName });
}

/** A pod as its node runs it: named after the node too, and with an identity that changes with the manifest. */
export function staticPod(
  manifest: unknown,
  { file, text, nodeName }: { readonly file: string; readonly text: string; readonly nodeName: string },
): Pod {
  const { kind, metadata, spec } = (manifest ?? {}) as Partial<Pod>;
  if (kind !== 'Pod' || !metadata?.name || !spec) throw new Error('it is no Pod with a name and a spec');
  const uid = createHash('sha256').update(`${nodeName}\0${file}\0${text}`).digest('hex').slice(0, 32);
  const { source, hash, seen } = configAnnotation;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: `${metadata.name}-${nodeName}`,
      namespace: metadata.namespace ?? 'default',
      uid,
      annotations: { ...metadata.annotations, [hash]: uid, [source]: 'file', [seen]: new Date().toISOString() },
    },
    spec: { ...spec, nodeName, tolerations: [...(spec.tolerations ?? []), stays] },
  };
}

export const isStatic = ({ metadata }: Pod): boolean =>
  metadata?.annotations?.[configAnnotation.source] !== undefined &&
  metadata.annotations[configAnnotation.mirror] === undefined;

/** What the API server shows of a static pod is a pod of its own, which nobody runs. */
export const mirroredHash = ({ metadata }: Pod): string | undefined => metadata?.annotations?.[configAnnotation.mirror];
