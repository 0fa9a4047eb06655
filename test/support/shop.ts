import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { waitFor } from '../../src/base/wait.ts';
import type { TestCluster } from './cluster.ts';
import { debianImage } from './debian-image.ts';
import type { LoadReport } from './load-generator.ts';
import { reaches } from './reaching.ts';

export const shopManifest = join(import.meta.dirname, '../manifests/shop.yaml');
export const shopNodePort = 30080;

/** Archives of the shop's images, made where they are not there yet. */
export function shopImages(): string[] {
  return [
    debianImage({ ref: 'test.knit.dev/nginx:1', packages: ['nginx'], config: { StopSignal: 'SIGQUIT' } }),
    debianImage({ ref: 'test.knit.dev/python:1', packages: ['python3'], config: {} }),
    debianImage({ ref: 'test.knit.dev/redis:1', packages: ['redis-server'], config: {} }),
  ];
}

/** Loads the images and applies the manifest, as a person would; returns when every node leads to it. */
export async function startShop(cluster: TestCluster): Promise<void> {
  for (const archive of shopImages()) await cluster.knit(['image', 'load', archive]);
  await cluster.kubectl(['apply', '-f', shopManifest]);
  await shopIsThere(cluster);
  // Ready pods are endpoints at once, in the nodes' rules a moment later.
  for (const { outsideAddress } of cluster.config.nodes)
    await reaches(cluster, 'client/alice', `http://${outsideAddress}:${shopNodePort}/`);
}

/** Returns when every tier has its pods, ready and up to date. */
export async function shopIsThere(cluster: TestCluster): Promise<void> {
  for (const tier of ['redis', 'app', 'web']) {
    await cluster.kubectl(['-n', 'shop', 'rollout', 'status', `deployment/${tier}`, '--timeout=110s']);
  }
}

export interface Load {
  /** Ends it and tells how it went. */
  stop(): Promise<LoadReport>;
}

/** Asks `url` all the time in the network of `target`: `client/alice`, `node/node-1`. */
export async function startLoad(cluster: TestCluster, target: string, url: string): Promise<Load> {
  const generator = join(import.meta.dirname, 'load-generator.ts');
  const command = join(import.meta.dirname, '../../bin/knit');
  const args = ['exec', '--name', cluster.config.name, target, '--', process.execPath, generator, url];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  // A test that fails leaves nobody asking.
  process.once('exit', () => child.stdin.destroy());
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  await waitFor(() => lines.includes('began') || endedEarly(child), { what: 'the load to begin', timeoutMs: 30_000 });
  return {
    async stop() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'close');
      return JSON.parse(lines.at(-1) ?? '') as LoadReport;
    },
  };
}

/** Ends `load` after at least `requests`, of which none may have failed; says which did, each reason once. */
export async function noneFailed(load: Load, requests = 1): Promise<void> {
  const report = await load.stop();
  assert.ok(report.requests >= requests, `${report.requests} requests, ${requests} were to be sent`);
  if (report.failures.length === 0) return;
  const byReason = Map.groupBy(report.failures, ({ connection, error }) => `${error} (${connection} connection)`);
  const reasons = [...byReason].map(([reason, all]) => `${all.length} × ${reason}, first at ${all[0]?.at}`);
  throw new Error(`${report.failures.length} of ${report.requests} requests failed: ${reasons.join('; ')}`);
}

function endedEarly(child: ChildProcess): false {
  if (child.exitCode !== null) throw new Error(`the load generator ended with ${child.exitCode}`);
  return false;
}
