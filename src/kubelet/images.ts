import type { Container, Pod } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { type Backoff, createBackoff } from './backoff.ts';
import type { CriClient } from './cri/client.ts';
import { GrpcError, grpcStatus, rpcErrorText } from './cri/grpc.ts';
import type { AuthConfig, Image, PodSandboxConfig } from './cri/messages.ts';
import type { ConfigSource } from './env.ts';
import type { PodEvents } from './pod-events.ts';
import { missingPullSecrets, registryCredentials } from './pull-secrets.ts';

/** Why a container's image is not there, as its waiting state says it. */
export class ImageError extends Error {
  readonly reason: 'ErrImagePull' | 'ImagePullBackOff' | 'ErrImageNeverPull' | 'InvalidImageName';
  /** When it may be tried again, in ms from now. */
  readonly retryMs: number;
  constructor(reason: ImageError['reason'], message: string, retryMs: number) {
    super(message);
    this.name = 'ImageError';
    this.reason = reason;
    this.retryMs = retryMs;
  }
}

export interface ImagePuller {
  /** Makes sure that a container's image is on the node, by its pull policy. Throws {@link ImageError}. */
  ensure(pod: Pod, container: Container, sandbox: PodSandboxConfig, signal: AbortSignal): Promise<Image>;
  /** Forgets the failures of a pod that is gone. */
  forget(uid: string): void;
}

/** `NAME[:TAG][@DIGEST]` with an optional registry: https://github.com/distribution/reference, without its length rules. */
const REFERENCE =
  /^(?:[A-Za-z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,})?$/;

export function createImagePuller(cri: CriClient, config: ConfigSource, events: PodEvents): ImagePuller {
  const backoff: Backoff = createBackoff();
  const failures = new Map<string, { readonly message: string; readonly at: number }>();

  const pull = async (
    pod: Pod,
    container: Container,
    image: string,
    sandbox: PodSandboxConfig,
    signal: AbortSignal,
  ) => {
    const key = `${pod.metadata?.uid}/${image}`;
    const failed = failures.get(key);
    const wait = failed ? backoff.remaining(key, failed.at, Date.now()) : 0;
    if (failed && wait > 0) {
      events.container(pod, container, 'Normal', 'BackOff', `Back-off pulling image "${image}"`);
      throw new ImageError(
        'ImagePullBackOff',
        `Back-off pulling image "${image}": ErrImagePull: ${failed.message}`,
        wait,
      );
    }
    events.container(pod, container, 'Normal', 'Pulling', `Pulling image "${image}"`);
    const began = Date.now();
    try {
      await pullWithCredentials(cri, image, await registryCredentials(pod, image, config), sandbox, signal);
    } catch (error) {
      signal.throwIfAborted();
      const message = pullFailure(error);
      backoff.next(key, Date.now(), Date.now());
      failures.set(key, { message, at: Date.now() });
      events.container(pod, container, 'Warning', 'Failed', `Failed to pull image "${image}": ${message}`);
      throw new ImageError('ErrImagePull', message, 1);
    }
    failures.delete(key);
    const pulled = await cri.imageStatus(image);
    const took = `${((Date.now() - began) / 1000).toFixed(3)}s`;
    const text = `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${pulled?.size ?? 0} bytes.`;
    events.container(pod, container, 'Normal', 'Pulled', text);
    return pulled;
  };

  return {
    async ensure(pod, container, sandbox, signal) {
      const image = container.image ?? '';
      if (!REFERENCE.test(image)) {
        const why = `couldn't parse image name "${image}": invalid reference format`;
        const message = `Failed to apply default image tag "${image}": ${why}`;
        events.container(pod, container, 'Warning', 'InspectFailed', message);
        throw new ImageError('InvalidImageName', message, 10_000);
      }
      const missing = await missingPullSecrets(pod, config);
      if (missing.length > 0) events.pod(pod, 'Warning', 'FailedToRetrieveImagePullSecret', withoutSecrets(missing));
      const name = withDefaultTag(image);
      const policy = container.imagePullPolicy ?? (name.endsWith(':latest') ? 'Always' : 'IfNotPresent');
      const present = policy === 'Always' ? undefined : await cri.imageStatus(name);
      if (present) {
        const text = `Container image "${image}" already present on machine and can be accessed by the pod`;
        events.container(pod, container, 'Normal', 'Pulled', text);
        return present;
      }
      if (policy === 'Never') {
        const message = `Container image "${image}" is not present with pull policy of Never`;
        events.container(pod, container, 'Warning', 'ErrImageNeverPull', message);
        throw new ImageError('ErrImageNeverPull', message, 10_000);
      }
      const pulled = await pull(pod, container, name, sandbox, signal);
      if (!pulled) throw new ImageError('ErrImagePull', `image "${image}" was pulled and is not there`, 10_000);
      return pulled;
    },
    forget(uid) {
      backoff.forget(`${uid}/`);
      for (const key of failures.keys()) if (key.startsWith(`${uid}/`)) failures.delete(key);
    },
  };
}

const withoutSecrets = (names: readonly string[]): string =>
  `Unable to retrieve some image pull secrets (${names.join(', ')}); attempting to pull the image may not succeed.`;

/** Of a code that says nothing the kubelet leaves it out. */
function pullFailure(error: unknown): string {
  const isUnknown = error instanceof GrpcError && error.code === grpcStatus.UNKNOWN;
  return isUnknown ? messageOf(error) : rpcErrorText(error);
}

const withDefaultTag = (image: string): string => (/[:@][^/]*$/.test(image) ? image : `${image}:latest`);

/** Tries the credentials in turn, or none where there are none; throws the last failure. */
async function pullWithCredentials(
  cri: CriClient,
  image: string,
  credentials: readonly AuthConfig[],
  sandbox: PodSandboxConfig,
  signal: AbortSignal,
): Promise<void> {
  let failure: unknown;
  for (const auth of credentials.length > 0 ? credentials : [undefined]) {
    try {
      await cri.pullImage(image, auth, sandbox, signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}
