import { createHmac } from 'node:crypto';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_TYPE,
  type BootstrapToken,
  bootstrapSecretName,
  hasExpired,
  readBootstrapToken,
} from '../api/bootstrap-tokens.ts';
import { configMaps, secrets } from '../api/resource.ts';
import type { Secret } from '../api/types.ts';
import type { Running } from '../base/running.ts';
import { keyOf } from '../client/cache.ts';
import { isNotFound } from '../client/client.ts';
import type { ControllerContext } from './context.ts';

const NAMESPACE = 'kube-public';
const NAME = 'cluster-info';
const KUBECONFIG = 'kubeconfig';
const SIGNATURE = 'jws-kubeconfig-';
/** What a timer can wait. */
const LONGEST_MS = 24 * 3_600_000;

const selector = { namespace: BOOTSTRAP_TOKEN_NAMESPACE, fieldSelector: `type=${BOOTSTRAP_TOKEN_TYPE}` };

/** Removes bootstrap tokens when their time is over, and signs what joining machines believe with those that last. */
export function startBootstrapTokens(context: ControllerContext): Running {
  const parts = [startTokenCleaner(context), startBootstrapSigner(context)];
  return {
    async stop() {
      await Promise.all(parts.map((part) => part.stop()));
    },
  };
}

function startTokenCleaner({ client, informers, run }: ControllerContext): Running {
  const tokens = informers.informer(secrets, selector);
  const controller = run({
    name: 'token-cleaner',
    informers: [tokens],
    async sync(key) {
      const secret = tokens.get(key);
      if (!secret) return;
      const token = readBootstrapToken(secret);
      if (token.expires === undefined) return;
      if (!hasExpired(token)) {
        controller.enqueueAfter(key, Math.min(LONGEST_MS, token.expires - Date.now() + 1));
        return;
      }
      const { name = '', namespace, uid } = secret.metadata ?? {};
      await client.delete(secrets, { name, namespace }, { preconditions: { uid } }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    },
  });
  tokens.onChange((secret) => {
    if (secret) controller.enqueue(keyOf(secret));
  });
  return controller;
}

/** Keeps a signature of the kubeconfig in `kube-public/cluster-info` for each token that is for signing. */
function startBootstrapSigner({ client, informers, run }: ControllerContext): Running {
  const tokens = informers.informer(secrets, selector);
  const info = informers.informer(configMaps, { namespace: NAMESPACE, fieldSelector: `metadata.name=${NAME}` });
  const controller = run({
    name: 'bootstrap-signer',
    informers: [tokens, info],
    async sync(key) {
      const map = info.get(key);
      const content = map?.data?.[KUBECONFIG];
      if (!map || content === undefined) return;
      const others = Object.entries(map.data ?? {}).filter(([name]) => !name.startsWith(SIGNATURE));
      const signatures = tokens.list().flatMap((secret) => signatureOf(secret, content));
      const data = Object.fromEntries([...others, ...signatures]);
      if (!isSame(data, map.data ?? {})) await client.update(configMaps, { ...map, data });
    },
  });
  const wake = () => controller.enqueue(`${NAMESPACE}/${NAME}`);
  tokens.onChange(wake);
  info.onChange(wake);
  return controller;
}

function signatureOf(secret: Secret, content: string): [string, string][] {
  const token = readBootstrapToken(secret);
  const isWhole = token.id !== '' && token.secret !== '' && secret.metadata?.name === bootstrapSecretName(token.id);
  if (!isWhole || !token.signs || hasExpired(token)) return [];
  return [[SIGNATURE + token.id, detachedSignature(content, token)]];
}

/** A JSON Web Signature (HS256) without its content (RFC 7515 appendix F). */
export function detachedSignature(content: string, { id, secret }: Pick<BootstrapToken, 'id' | 'secret'>): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: id })).toString('base64url');
  const payload = Buffer.from(content).toString('base64url');
  return `${header}..${createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url')}`;
}

function isSame(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys({ ...a, ...b });
  return names.every((name) => a[name] === b[name]);
}
