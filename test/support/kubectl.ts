import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, startCluster, type TestCluster } from './cluster.ts';

/** A command line: words apart by spaces, or a list where a word has spaces of its own. */
export type CommandLine = string | readonly string[];

/** A cluster whose tests are about kubectl itself. */
export interface KubectlCluster {
  readonly cluster: TestCluster;
  /** A folder for files of the test; goes with the cluster. */
  readonly folder: string;
  /** What it prints on standard output; throws where it fails. */
  kubectl(command: CommandLine, input?: object | string): Promise<string>;
  /** What it prints on standard error; throws where it does not exit with `code`. */
  refused(command: CommandLine, input?: object | string, code?: number): Promise<string>;
  /** Starts one that goes on, such as a watch. The test ends it. */
  start(command: CommandLine, input?: string): RunningKubectl;
  stop(): Promise<void>;
}

/** A kubectl that runs beside the test. */
export interface RunningKubectl {
  /** Standard output and error so far. */
  output(): string;
  /** Waits until the output holds it. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  write(text: string): void;
  /** Its exit code, when it has ended by itself. */
  readonly ended: Promise<number | null>;
  stop(): Promise<void>;
}

const binary = join(import.meta.dirname, '../../dist/tools/kubectl');

/** A test that forgot its process does not wait for it for ever. */
const RUNNING_LIMIT_MS = 180_000;

/** Three nodes without a way out: what is pulled cannot be had, and says so at once. */
export async function startKubectlCluster(name: string): Promise<KubectlCluster> {
  const cluster = await startCluster(name, ['--uplink', 'none']);
  const folder = mkdtempSync(join(tmpdir(), 'knit-kubectl-'));
  const env = { ...process.env, KUBECONFIG: cluster.kubeconfig, HOME: folder };
  return {
    cluster,
    folder,
    kubectl: (command, input) => cluster.kubectl(wordsOf(command), { input: textOf(input) }),
    async refused(command, input, code = 1) {
      const result = await cluster.tryKubectl(wordsOf(command), { input: textOf(input) });
      if (result.code !== code) {
        throw new Error(`kubectl ${command} exited with ${result.code}, not ${code}: ${result.stdout}${result.stderr}`);
      }
      return result.stderr;
    },
    start: (command, input) => startProcess(binary, wordsOf(command), env, input),
    async stop() {
      await cluster.down();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const wordsOf = (command: CommandLine): readonly string[] =>
  typeof command === 'string' ? command.split(' ') : command;

const textOf = (input: object | string | undefined) =>
  input === undefined || typeof input === 'string' ? input : JSON.stringify(input);

/** A command on a terminal of its own (`script` makes one), so that it behaves as in a person's hands. */
export function startOnTerminal(target: KubectlCluster, command: string): RunningKubectl {
  const env = { ...process.env, KUBECONFIG: target.cluster.kubeconfig, HOME: target.folder };
  return startProcess('script', ['-qec', `stty rows 40 cols 100; ${binary} ${command}`, '/dev/null'], env);
}

function startProcess(file: string, args: readonly string[], env: NodeJS.ProcessEnv, input?: string): RunningKubectl {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stdin.on('error', () => undefined); // EPIPE: it ended without reading
  if (input !== undefined) child.stdin.end(input);
  const limit = setTimeout(() => child.kill('SIGKILL'), RUNNING_LIMIT_MS).unref();
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(limit);
      resolve(code);
    });
  });
  return {
    output: () => text,
    until: async (pattern) => {
      try {
        return await eventually(`${pattern} in the output`, async () => pattern.exec(text) ?? undefined);
      } catch (error) {
        throw new Error(`${(error as Error).message}; it printed:\n${text}`);
      }
    },
    write: (more) => child.stdin.write(more),
    ended,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
