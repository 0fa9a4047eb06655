import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { listNetns } from '../kernel/ip.ts';
import { enterNetns } from '../kernel/netns.ts';
import { run } from '../kernel/run.ts';
import { contextName, readConfig } from './config.ts';
import { examine } from './doctor.ts';
import { clusterPaths } from './paths.ts';
import { adminClient } from './ready.ts';
import { clusterStatus } from './status.ts';

/** What a bug report needs of the API: everything but Secrets and the contents of ConfigMaps. */
const objects = ['nodes', 'pods', 'services', 'events', 'namespaces']
  .map((plural) => `/api/v1/${plural}`)
  .concat([
    '/apis/apps/v1/deployments',
    '/apis/apps/v1/replicasets',
    '/apis/discovery.k8s.io/v1/endpointslices',
    '/apis/networking.k8s.io/v1/networkpolicies',
    '/apis/networking.k8s.io/v1/ingresses',
    '/apis/networking.k8s.io/v1/ingressclasses',
  ]);

const networkFacts = ['ip -d address', 'ip route show table all', 'nft -a list ruleset', 'conntrack -L', 'ss -anp'];

/**
 * Gathers logs, objects, kernel state and the doctor's findings into one `.tar.gz`. No key and no Secret is in it.
 * What cannot be had is replaced by the reason.
 */
export async function exportLogs(name: string, archive: string): Promise<void> {
  const config = readConfig(name);
  const scratch = mkdtempSync(join(tmpdir(), 'knit-export-'));
  const folder = join(scratch, basename(archive).replace(/\.tar\.gz$/, ''));
  try {
    mkdirSync(folder);
    const paths = clusterPaths(name);
    if (existsSync(paths.logs)) cpSync(paths.logs, join(folder, 'logs'), { recursive: true });
    cpSync(paths.config, join(folder, 'cluster.json'));
    for (const node of config.nodes)
      copyPodLogs(join(paths.node(node.name).kubelet, 'logs'), join(folder, 'pods', node.name));
    await keep(join(folder, 'doctor.json'), async () => JSON.stringify(await examine(), undefined, 2));
    await keep(join(folder, 'status.json'), async () => JSON.stringify(await clusterStatus(name), undefined, 2));
    await Promise.all([
      keepObjects(name, join(folder, 'objects')),
      keepNetworks(contextName(name), join(folder, 'network')),
    ]);
    mkdirSync(dirname(archive), { recursive: true });
    await run('tar', ['-C', scratch, '-czf', archive, basename(folder)], { timeoutMs: 120_000 });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function keepObjects(name: string, folder: string): Promise<void> {
  const { client, close } = adminClient(readConfig(name));
  try {
    await Promise.all(
      objects.map((path) => keep(join(folder, `${basename(path)}.json`), () => client.raw('GET', path))),
    );
  } finally {
    await close();
  }
}

async function keepNetworks(prefix: string, folder: string): Promise<void> {
  const mine = (await listNetns()).filter((netns) => netns.startsWith(`${prefix}.`));
  for (const netns of mine) {
    for (const command of networkFacts) {
      const file = join(folder, netns, `${command.replaceAll(/[^a-z]+/g, '-')}.txt`);
      await keep(file, () => run('nsenter', [...enterNetns(netns), ...command.split(' ')]));
    }
  }
}

async function keep(file: string, make: () => Promise<string>): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  const text = await make().catch((error: unknown) => `could not be had: ${messageOf(error)}\n`);
  writeFileSync(file, text);
}

function copyPodLogs(from: string, to: string): void {
  if (existsSync(from)) cpSync(from, to, { recursive: true });
}
