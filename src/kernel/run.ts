import { spawn } from 'node:child_process';
import { KnitError } from '../base/errors.ts';

export interface RunOptions {
  /** Written to the command's standard input. */
  readonly input?: string;
  /** The command is ended after this time. Default 30 s. */
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/**
 * Runs a command to its end and returns its standard output. Throws a {@link KnitError}: `COMMAND_MISSING` where it is
 * not installed, `COMMAND_FAILED` with its standard error where it exits with another code than 0, `TIMEOUT`.
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryRun(command, args, options);
  if (code === 0) return stdout;
  const words = [command, ...args].join(' ');
  throw new KnitError('COMMAND_FAILED', `${words} exited with ${code}: ${stderr.trim() || stdout.trim()}`);
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Like {@link run}, for commands whose exit code is an answer. */
export async function tryRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  return await new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: options.env, signal: options.signal });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new KnitError('TIMEOUT', `${command} ${args.join(' ')} did not end within ${timeoutMs} ms`));
    }, timeoutMs);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(error.code === 'ENOENT' ? missing(command) : error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString();
      resolve({ code: code ?? (signal ? 128 : 1), stdout: text(stdout), stderr: text(stderr) });
    });
    child.stdin.on('error', () => undefined); // EPIPE: the command ended without reading; its exit code tells
    child.stdin.end(options.input ?? '');
  });
}

function missing(command: string): KnitError {
  return new KnitError('COMMAND_MISSING', `${command} is not installed`, 'run: knit doctor');
}
