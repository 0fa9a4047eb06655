import type { Container, Pod } from '../api/types.ts';
import type { KubeletContext } from './context.ts';
import type { PodSandboxConfig } from './cri/messages.ts';
import { mountImage } from './volumes/image-volume.ts';
import type { VolumePaths } from './volumes/volumes.ts';

/**
 * A pod's volumes with those that a container mounts of images: they are pulled as its own image is, by their own policy.
 * Throws {@link ImageError}.
 */
export async function withImageVolumes(
  { images, paths, criSocket }: Pick<KubeletContext, 'images' | 'paths' | 'criSocket'>,
  container: Container,
  { pod, volumes, sandboxConfig, signal }: ImageVolumesOf,
): Promise<VolumePaths> {
  const all = new Map(volumes);
  for (const { name, image: source } of pod.spec?.volumes ?? []) {
    if (!source || !container.volumeMounts?.some((mount) => mount.name === name)) continue;
    const pulled = { name: container.name, image: source.reference, imagePullPolicy: source.pullPolicy };
    const image = await images.ensure(pod, pulled, sandboxConfig, signal);
    const folder = paths.volume(pod.metadata?.uid ?? '', 'image', name);
    await mountImage(criSocket, image.id, folder);
    all.set(name, folder);
  }
  return all;
}

interface ImageVolumesOf {
  readonly pod: Pod;
  readonly volumes: VolumePaths;
  readonly sandboxConfig: PodSandboxConfig;
  readonly signal: AbortSignal;
}
