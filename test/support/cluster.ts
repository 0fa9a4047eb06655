import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../src/base/wait.ts';
import type { ClusterConfig } from '../../src/cluster/config.ts';
import { type RunOptions, type RunResult, run, tryRun } from '../../src/kernel/run.ts';
import { ApiReader } from './api-reader.ts';

const project = join(import.meta.dirname, '../..');
const knitCommand = join(project, 'bin/knit');
const kubectlCommand = join(project, 'dist/tools/kubectl');

/** A cluster of its own for a test file, driven as a person drives it: by `knit` and by real kubectl. */
export interface TestCluster {
  readonly config: ClusterConfig;
  readonly kubeconfig: string;
  knit(args: readonly string[], options?: RunOptions): Promise<string>;
  /** For what is expected to fail. */
  tryKnit(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Standard output; throws where kubectl fails. */
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>;
  /** For what is expected to fail. */
  tryKubectl(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** `kubectl apply -f -` of objects. */
  apply(...objects: readonly object[]): Promise<string>;
  /** What `kubectl get -o json` shows of an object or a list. */
  get<T = Record<string, unknown>>(...args: readonly string[]): Promise<T>;
  down(): Promise<void>;
}

/** Starts a cluster with `knit up`; `flags` are its own. Needs root, and says so where it is missing. */
export async function startCluster(name: string, flags: readonly string[] = []): Promise<TestCluster> {
  requireRoot();
  const scratch = mkdtempSync(join(tmpdir(), `knit-test-${name}-`));
  const removeScratch = () => rmSync(scratch, { recursive: true, force: true });
  process.once('exit', removeScratch);
  const knit = (args: readonly string[], options?: RunOptions) =>
    run(knitCommand, args, { timeoutMs: 120_000, env: { ...process.env, KNIT_NAME: name }, ...options });
  await knit(['down']);
  await knit(['up', '--no-kubeconfig', ...flags]);
  const config: ClusterConfig = JSON.parse(await knit(['status', '-o', 'json'])).config;
  const kubeconfig = join(scratch, 'kubeconfig');
  writeFileSync(kubeconfig, await knit(['kubeconfig']), { mode: 0o600 });
  const reader = new ApiReader(kubeconfig);
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: scratch };
  const kubectl = (args: readonly string[], options?: RunOptions) =>
    run(kubectlCommand, args, { timeoutMs: 120_000, env, ...options });
  return {
    config,
    kubeconfig,
    knit,
    tryKnit: (args, options) =>
      tryRun(knitCommand, args, { timeoutMs: 120_000, env: { ...process.env, KNIT_NAME: name }, ...options }),
    kubectl,
    tryKubectl: (args, options) => tryRun(kubectlCommand, args, { timeoutMs: 120_000, env, ...options }),
    apply: (...objects) =>
      kubectl(['apply', '-f', '-'], { input: objects.map((each) => JSON.stringify(each)).join('\n---\n') }),
    get: async (...args) =>
      ((await reader.get(args)) ?? JSON.parse(await kubectl(['get', ...args, '-o', 'json']))) as never,
    down: async () => {
      await knit(['down']);
      removeScratch();
    },
  };
}

export function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error('this test makes network namespaces: run it as root (sudo make test)');
}

/** Waits up to two minutes until `look` holds, as a test's sentence: `eventually('the pod is gone', …)`. */
export async function eventually<T>(what: string, look: () => Promise<T>): Promise<Exclude<T, undefined | false>> {
  return await waitFor(look, { what, timeoutMs: 110_000, intervalMs: 150 });
}
