import { chownSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod/mini';
import { KnitError, messageOf } from '../base/errors.ts';
import { run } from '../kernel/run.ts';
import { type ClusterConfig, contextName, writeFileAtomically } from './config.ts';
import { clusterPaths } from './paths.ts';
import { readIdentity } from './pki-files.ts';

const named = z.looseObject({ name: z.string() });
const list = z._default(z.nullable(z.array(named)), null);

/** What knit must know of the file; all else in it stays as it is. */
const kubeconfig = z.looseObject({
  clusters: list,
  users: list,
  contexts: list,
  'current-context': z.optional(z.nullable(z.string())),
});

type Named = z.infer<typeof named>;
interface Kubeconfig {
  apiVersion?: string;
  kind?: string;
  clusters?: Named[] | null;
  users?: Named[] | null;
  contexts?: Named[] | null;
  'current-context'?: string | null;
}

/** A kubeconfig of this cluster alone, with all it needs inside. */
export function kubeconfigOf(config: ClusterConfig, server = `https://127.0.0.1:${config.apiPort}`): string {
  return stringify(entriesOf(config, server));
}

/** Path of a kubeconfig of this cluster alone: kept beside its state where that can be written, else the user's own. */
export function kubeconfigFile(config: ClusterConfig): string {
  const path = join(clusterPaths(config.name).state, 'kubeconfig');
  const text = kubeconfigOf(config);
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileAtomically(path, text, 0o600);
  return path;
}

/**
 * Adds the cluster's context to the user's kubeconfig and makes it the current one; all else in the file is kept.
 * Returns the file's path. Throws `KUBECONFIG_BROKEN` where the file is none.
 */
export async function addToKubeconfig(config: ClusterConfig): Promise<string> {
  const file = await userKubeconfig();
  const mine = entriesOf(config, `https://127.0.0.1:${config.apiPort}`);
  const present = without(readKubeconfig(file.path), contextName(config.name));
  write(file, {
    ...present,
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [...(present.clusters ?? []), ...(mine.clusters ?? [])],
    users: [...(present.users ?? []), ...(mine.users ?? [])],
    contexts: [...(present.contexts ?? []), ...(mine.contexts ?? [])],
    'current-context': mine['current-context'],
  });
  return file.path;
}

/** Throws `KUBECONFIG_BROKEN` where {@link addToKubeconfig} would: for before a cluster is made. */
export async function checkKubeconfig(): Promise<void> {
  readKubeconfig((await userKubeconfig()).path);
}

/** Takes the cluster's context out of the user's kubeconfig again, and the file where nothing else is in it. */
export async function removeFromKubeconfig(cluster: string): Promise<void> {
  const file = await userKubeconfig();
  if (!existsSync(file.path)) return;
  const context = contextName(cluster);
  const present = readKubeconfig(file.path);
  if (!present.contexts?.some((each) => each.name === context)) return;
  const left = without(present, context);
  if (isEmpty(left)) rmSync(file.path);
  else write(file, left);
}

const own = ['apiVersion', 'kind', 'current-context'];

function isEmpty(config: Kubeconfig): boolean {
  return Object.entries(config).every(([field, value]) => own.includes(field) || value?.length === 0);
}

function entriesOf(config: ClusterConfig, server: string): Kubeconfig {
  const name = contextName(config.name);
  const { pki } = clusterPaths(config.name);
  const admin = readIdentity(pki, 'admin');
  if (!admin)
    throw new KnitError('STATE_BROKEN', `${pki} has no admin certificate`, `run: knit down --name ${config.name}`);
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const ca = readFileSync(join(pki, 'ca.crt'), 'utf8');
  const cluster = { server, 'certificate-authority-data': base64(ca) };
  const user = { 'client-certificate-data': base64(admin.cert), 'client-key-data': base64(admin.key) };
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster } as Named],
    users: [{ name, user } as Named],
    contexts: [{ name, context: { cluster: name, user: name } } as Named],
    'current-context': name,
  };
}

function without(config: Kubeconfig, name: string): Kubeconfig {
  const others = (entries: Named[] | null | undefined) => (entries ?? []).filter((each) => each.name !== name);
  return {
    ...config,
    clusters: others(config.clusters),
    users: others(config.users),
    contexts: others(config.contexts),
    'current-context': config['current-context'] === name ? '' : config['current-context'],
  };
}

function readKubeconfig(path: string): Kubeconfig {
  if (!existsSync(path)) return {};
  const { data, success, error } = kubeconfig.safeParse(parseFile(path));
  if (success) return data;
  throw broken(path, error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`).join('; '));
}

function parseFile(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8')) ?? {};
  } catch (error) {
    throw broken(path, messageOf(error).split('\n')[0] ?? '');
  }
}

function broken(path: string, reason: string): KnitError {
  return new KnitError(
    'KUBECONFIG_BROKEN',
    `${path} is no kubeconfig: ${reason}`,
    'mend or remove it, set KUBECONFIG to another file, or leave it alone: knit up --no-kubeconfig',
  );
}

interface UserFile {
  readonly path: string;
  /** Who shall own it; undefined: whoever runs this. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** The first file of `KUBECONFIG`, else `.kube/config` of the user who called, also through sudo. */
async function userKubeconfig(): Promise<UserFile> {
  const [first] = (process.env.KUBECONFIG ?? '').split(':').filter((path) => path !== '');
  if (first) return ownedAsBefore(first);
  const sudoUser = process.env.SUDO_USER;
  if (!sudoUser || process.getuid?.() !== 0) return ownedAsBefore(join(homedir(), '.kube', 'config'));
  const [, , uid, gid, , home = ''] = (await run('getent', ['passwd', sudoUser])).trim().split(':');
  const path = realPath(join(home, '.kube', 'config'));
  return { path, owner: { uid: Number(uid), gid: Number(gid) } };
}

/** A file that is replaced keeps its owner, and a link its place. */
function ownedAsBefore(link: string): UserFile {
  const path = realPath(link);
  return { path, owner: existsSync(path) ? statSync(path) : undefined };
}

function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

function write(file: UserFile, config: Kubeconfig): void {
  const folder = dirname(file.path);
  const isNew = !existsSync(folder);
  mkdirSync(folder, { recursive: true });
  writeFileAtomically(file.path, stringify(config), 0o600);
  if (!file.owner) return;
  if (isNew) chownSync(folder, file.owner.uid, file.owner.gid);
  chownSync(file.path, file.owner.uid, file.owner.gid);
}
