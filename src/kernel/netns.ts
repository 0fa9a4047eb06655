import { readdirSync, rmdirSync } from 'node:fs';
import { run } from './run.ts';

/** Where `ip netns` keeps the names of network namespaces. */
export const netnsFolder = '/run/netns';

/** The arguments that take `nsenter` into a named network namespace. */
export function enterNetns(netns: string): string[] {
  return [`--net=${netnsFolder}/${netns}`];
}

/** Runs a shell script in a network namespace; any command that fails ends it and throws `COMMAND_FAILED`. */
export async function runInNetns(netns: string, script: string): Promise<string> {
  return await run('nsenter', [...enterNetns(netns), 'sh', '-e', '-s'], { input: script });
}

/** Part of a script: sets `name` to `value` for all interfaces of an IPv4 or IPv6 namespace, present and coming. */
export function setForAllInterfaces(family: 'ipv4' | 'ipv6', name: string, value: number): string {
  return `for f in /proc/sys/net/${family}/conf/*/${name}; do echo ${value} > "$f"; done`;
}

/** Part of a script: feeds `text` to a command. */
export function feed(command: string, text: string): string {
  return `${command} <<'KNIT_END'\n${text}\nKNIT_END`;
}

/** Removes a named network namespace, and the folder of names if it was the last. */
export async function deleteNetns(netns: string): Promise<void> {
  await run('ip', ['netns', 'delete', netns]);
  await removeNetnsFolderIfEmpty();
}

/** `ip netns add` makes its folder a mount of its own: takes that away once the last namespace is gone. */
export async function removeNetnsFolderIfEmpty(): Promise<void> {
  try {
    if (readdirSync(netnsFolder).length > 0) return;
    await run('umount', [netnsFolder]);
    rmdirSync(netnsFolder);
  } catch {
    return; // not a mount, not there, or in use again by somebody else: theirs to keep
  }
}
