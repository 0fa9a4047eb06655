import type { Pod } from '../api/types.ts';
import type { AuthConfig } from './cri/messages.ts';
import type { ConfigSource } from './env.ts';

interface DockerAuth {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
}

const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/** Credentials of a pod's `imagePullSecrets` that are for an image's registry, the most special path first. */
export async function registryCredentials(pod: Pod, image: string, config: ConfigSource): Promise<AuthConfig[]> {
  const namespace = pod.metadata?.namespace ?? '';
  const secrets = await Promise.all(pullSecretsOf(pod).map((name) => config.secret(namespace, name)));
  const entries = secrets.flatMap((secret) => Object.entries(dockerAuths(secret?.data ?? {})));
  return entries
    .map(([registry, auth]) => ({ registry: normalize(registry), auth }))
    .filter(({ registry }) => covers(registry, imagePath(image)))
    .sort((a, b) => b.registry.length - a.registry.length)
    .map(({ auth }) => authConfig(auth));
}

const pullSecretsOf = ({ spec }: Pod): string[] =>
  (spec?.imagePullSecrets ?? []).flatMap(({ name }) => (name ? [name] : []));

/** Names of a pod's `imagePullSecrets` that cannot be had. */
export async function missingPullSecrets(pod: Pod, config: ConfigSource): Promise<string[]> {
  const isThere = async (name: string) =>
    (await config.secret(pod.metadata?.namespace ?? '', name).catch(() => undefined)) !== undefined;
  const names = pullSecretsOf(pod);
  const present = await Promise.all(names.map(isThere));
  return names.filter((_, index) => !present[index]);
}

/** Both forms of secret: `.dockerconfigjson` with `auths`, and the older `.dockercfg` without. */
function dockerAuths(data: Readonly<Record<string, string>>): Record<string, DockerAuth> {
  const parse = (text: string | undefined): unknown => {
    if (text === undefined) return {};
    try {
      return JSON.parse(Buffer.from(text, 'base64').toString());
    } catch {
      return {}; // the API server has checked its form; what is broken all the same holds no credentials
    }
  };
  const modern = parse(data['.dockerconfigjson']) as { readonly auths?: Record<string, DockerAuth> };
  return { ...(parse(data['.dockercfg']) as Record<string, DockerAuth>), ...modern.auths };
}

/** `https://index.docker.io/v1/` → `docker.io` */
function normalize(registry: string): string {
  const bare = registry.replace(/^https?:\/\//, '').replace(/\/(v1|v2)?\/?$/, '');
  return DOCKER_HUB.includes(bare) ? 'docker.io' : bare;
}

/** The image's full path without tag and digest: `docker.io/library/nginx`. */
function imagePath(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const full = hasRegistry ? image : `docker.io/${rest.length > 0 ? image : `library/${image}`}`;
  return full.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
}

function covers(registry: string, image: string): boolean {
  const pattern = registry.split('/');
  const parts = image.split('/');
  return pattern.every((part, index) => {
    const actual = parts[index] ?? '';
    if (index > 0) return part === actual;
    const expression = part.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^.]*');
    return new RegExp(`^${expression}$`).test(actual);
  });
}

/** For whatever host the image is pulled from, a mirror too: the runtime would compare a server's address as a URL. */
function authConfig(entry: DockerAuth): AuthConfig {
  const [user = '', ...secret] = Buffer.from(entry.auth ?? '', 'base64')
    .toString()
    .split(':');
  return {
    username: entry.username ?? user,
    password: entry.password ?? secret.join(':'),
    identityToken: entry.identitytoken ?? '',
  };
}
