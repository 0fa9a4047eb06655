import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { KnitError, messageOf } from '../../base/errors.ts';
import { aescbc, aesgcm, identity, type Provider, secretbox } from './providers.ts';

/** Which providers a resource has: the first writes, all read. `undefined`: it is kept as it is. */
export type ProvidersOf = (group: string, plural: string) => readonly Provider[] | undefined;

interface Rule {
  readonly resources: readonly string[];
  readonly providers: readonly Provider[];
}

const hint =
  'see kubernetes.io/docs/tasks/administer-cluster/encrypt-data; knit has the providers aesgcm, aescbc, secretbox and identity';

/**
 * Reads an apiserver.config.k8s.io/v1 EncryptionConfiguration.
 *
 * @throws KnitError `ENCRYPTION_INVALID` that names what is wrong
 */
export function readEncryptionConfiguration(path: string): ProvidersOf {
  const refuse = (why: string): never => {
    throw new KnitError('ENCRYPTION_INVALID', `${path}: ${why}`, hint);
  };
  try {
    const document = (parse(readFileSync(path, 'utf8')) ?? {}) as Record<string, unknown>;
    if (document.kind !== 'EncryptionConfiguration') refuse(`kind: ${document.kind}: must be EncryptionConfiguration`);
    const rules = listOf(document.resources, 'resources').map((rule, i) => ruleOf(rule, `resources[${i}]`));
    return (group, plural) =>
      rules.find(({ resources }) => resources.some((each) => covers(each, group, plural)))?.providers;
  } catch (error) {
    if (error instanceof KnitError) throw error;
    return refuse(messageOf(error));
  }
}

/** As Kubernetes writes them: `secrets`, `deployments.apps`, `*.apps`, `*.` (the core group), `*.*`. */
function covers(pattern: string, group: string, plural: string): boolean {
  if (pattern === '*.*') return true;
  const [name, ...rest] = pattern.split('.');
  return rest.join('.') === group && (name === '*' ? pattern.includes('.') : name === plural);
}

function ruleOf(value: unknown, at: string): Rule {
  const { resources, providers } = (value ?? {}) as Record<string, unknown>;
  return {
    resources: listOf(resources, `${at}.resources`).map(String),
    providers: listOf(providers, `${at}.providers`).flatMap((each, i) => providersOf(each, `${at}.providers[${i}]`)),
  };
}

function listOf(value: unknown, at: string): unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw new Error(`${at}: must be a list that is not empty`);
}

/** Each key of a provider is one that may have written. */
function providersOf(value: unknown, at: string): Provider[] {
  const [[kind, settings] = ['nothing', undefined], ...more] = Object.entries((value ?? {}) as Record<string, unknown>);
  if (more.length > 0) throw new Error(`${at}: must name one provider, has ${kind} and ${more.map(([name]) => name)}`);
  if (kind === 'identity') return [identity];
  const make = { aesgcm, aescbc, secretbox }[kind];
  const sizes = kind === 'secretbox' ? [32] : [16, 24, 32];
  if (!make) throw new Error(`${at}: ${kind}: there is no such provider here`);
  const { keys } = (settings ?? {}) as Record<string, unknown>;
  return listOf(keys, `${at}.${kind}.keys`).map((key, i) => {
    const { name, secret } = (key ?? {}) as Record<string, unknown>;
    const bytes = Buffer.from(String(secret ?? ''), 'base64');
    const where = `${at}.${kind}.keys[${i}]`;
    if (typeof name !== 'string' || name === '') throw new Error(`${where}.name: missing`);
    if (name.includes(':')) throw new Error(`${where}.name: must not have a ':'`);
    if (!sizes.includes(bytes.length)) {
      const allowed = sizes.join(', ').replace(/, (?=\d+$)/, ' or ');
      throw new Error(`${where}.secret: must be ${allowed} bytes in base64, is ${bytes.length}`);
    }
    return make(name, bytes);
  });
}
