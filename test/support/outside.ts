import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { ipBatch } from '../../src/kernel/ip.ts';
import { deleteNetns } from '../../src/kernel/netns.ts';
import { tryRun } from '../../src/kernel/run.ts';

/** A network beside this machine, as an office has it: one more host, which knows nothing of any cluster. */
export interface Lan {
  /** This machine's address in it. */
  readonly machine: string;
  readonly host: string;
  /** The command line, put before a command, that runs it on that host. */
  readonly enter: readonly string[];
  stop(): Promise<void>;
}

/** Each has addresses of its own, since test files run side by side. */
const lans = { 'up-lan': 64, 'nat-lan': 68, 'reg-lan': 72 };

/** Makes it of a namespace and a veth, both named after it. */
export async function makeLan(name: keyof typeof lans): Promise<Lan> {
  const netns = `knit-t-${name}`;
  const address = (index: number) => `198.19.1.${lans[name] + index}`;
  const lan = { machine: address(1), host: address(2) };
  await removeLan(netns);
  await ipBatch([
    `netns add ${netns}`,
    `link add ${netns} type veth peer name eth0 netns ${netns}`,
    `addr add ${lan.machine}/30 dev ${netns}`,
    `link set ${netns} up`,
  ]);
  await ipBatch([`addr add ${lan.host}/30 dev eth0`, 'link set eth0 up', 'link set lo up'], netns);
  return { ...lan, enter: ['nsenter', `--net=/run/netns/${netns}`], stop: () => removeLan(netns) };
}

async function removeLan(netns: string): Promise<void> {
  await tryRun('ip', ['link', 'del', netns]);
  await deleteNetns(netns).catch(() => undefined); // it may never have been made
}

/** Starts a program by `enter` that says a line when it is ready, and returns its end. */
export async function startProgram(enter: readonly string[], command: readonly string[]): Promise<() => Promise<void>> {
  const [first = '', ...rest] = [...enter, ...command];
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await firstLine(child, [first, ...rest].join(' '));
  return async () => {
    child.kill();
    await ended;
  };
}

/** Serves `you are ADDRESS` on port 8080 of `address`, where `enter` leads. */
export async function tellClients(enter: readonly string[], address: string): Promise<() => Promise<void>> {
  return await startProgram(enter, [process.execPath, join(import.meta.dirname, 'tell-client.ts'), address, '8080']);
}

function firstLine(child: ChildProcess, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} said nothing`)), 60_000);
    child.stdout?.once('data', () => {
      clearTimeout(timer);
      resolve();
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      reject(new Error(`${what} ended with ${code}`));
    });
    child.once('error', reject);
  });
}
