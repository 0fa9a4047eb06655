import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { waitFor } from '../base/wait.ts';
import { makeCgroup } from '../kernel/cgroup.ts';

/**
 * A keeper holds the namespaces of a node (or of the fabric) and keeps its processes: each is started, and started
 * again when it ends. It is a shell, since it must cost next to nothing and outlive everything it keeps.
 */
export interface KeeperSpec {
  /** Folder for its script and `keeper.pid`. */
  readonly folder: string;
  /** Cgroup of the keeper and of all that it keeps, below the root. */
  readonly cgroup: string;
  /** The command line that enters its namespaces: `nsenter --net=…`, `unshare --mount`; may be empty. */
  readonly enter: readonly string[];
  /** Shell commands that are run once, inside. */
  readonly setup: readonly string[];
  readonly processes: readonly KeptProcess[];
  /** File descriptors that the processes get as 3, 4, … */
  readonly fds?: readonly number[];
}

export interface KeptProcess {
  readonly command: readonly string[];
  readonly log: string;
}

/** Starts a keeper, which goes on after this process. Resolves when its set-up is done; throws with its last words. */
export async function startKeeper(spec: KeeperSpec): Promise<void> {
  mkdirSync(spec.folder, { recursive: true });
  const script = join(spec.folder, 'keeper.sh');
  const log = join(spec.folder, 'keeper.log');
  const ready = join(spec.folder, 'keeper.pid');
  for (const kept of spec.processes) mkdirSync(dirname(kept.log), { recursive: true });
  writeFileSync(script, keeperScript(spec, makeCgroup(spec.cgroup), ready));
  chmodSync(script, 0o700);
  writeFileSync(ready, '');
  const [command = 'sh', ...args] = [...spec.enter, 'sh', script];
  const out = openSync(log, 'w');
  const child = spawn(command, args, { detached: true, stdio: ['ignore', out, out, ...(spec.fds ?? [])] });
  const ended = new Promise<never>((_, reject) => {
    child.on('error', reject);
    child.on('exit', () =>
      reject(new Error(`the keeper in ${spec.folder} ended: ${readFileSync(log, 'utf8').trim()}`)),
    );
  });
  await Promise.race([
    waitFor(() => keeperPid(spec.folder), { what: `the keeper in ${spec.folder}`, timeoutMs: 60_000, intervalMs: 3 }),
    ended,
  ]);
  ended.catch(() => undefined); // what happens to it later is not this process' concern
  child.unref();
}

/** Process id of the keeper of a folder, if it was started. It may have ended since. */
export function keeperPid(folder: string): number | undefined {
  try {
    return Number(readFileSync(join(folder, 'keeper.pid'), 'utf8')) || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function keeperScript(spec: KeeperSpec, cgroupProcs: string, ready: string): string {
  return `set -e
echo $$ > ${quote(cgroupProcs)}
${spec.setup.join('\n')}
set +e
keep() { # LOG COMMAND…
  log=$1; shift
  while :; do
    began=$(date +%s)
    "$@" >>"$log" 2>&1
    echo "$(date -u +%FT%TZ) keeper: $1 ended with $?" >>"$log"
    # What fails at once is started again slowly, what ran for a while at once.
    if [ $(($(date +%s) - began)) -lt 5 ]; then sleep 1; else sleep 0.05; fi
  done
}
${spec.processes.map((kept) => `keep ${quote(kept.log)} ${kept.command.map(quote).join(' ')} &`).join('\n')}
echo $$ > ${quote(ready)}
wait
`;
}

/** A word of a shell command, whatever it holds. */
export function quote(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
