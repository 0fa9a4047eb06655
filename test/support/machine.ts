import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findConfig } from '../../src/cluster/config.ts';
import { clusterNames } from '../../src/cluster/up.ts';
import { cgroupMode } from '../../src/kernel/cgroup.ts';
import { run, tryRun } from '../../src/kernel/run.ts';

/**
 * What a machine holds that clusters named `own` (or `own` and more) could leave behind, as lines that can be compared.
 * What belongs to other clusters, which may come and go meanwhile, is left out.
 */
export async function machineState(own: string): Promise<string[]> {
  // Others may come and go while this is looked at.
  const marks = foreignMarks(own);
  const [links, rules, namespaces, routes] = await Promise.all([
    run('ip', ['-o', 'link', 'show']),
    run('nft', ['list', 'ruleset']),
    tryRun('ip', ['netns', 'list']),
    run('ip', ['route', 'show', 'table', 'all']),
  ]);
  const state = [
    ...lines(links).map((line) => `link ${line.split(': ')[1]}`),
    ...lines(routes).map((line) => `route ${line.trim()}`),
    ...withTables(lines(rules)).map((line) => `rule ${line}`),
    ...lines(namespaces.stdout).map((line) => `netns ${line.split(' ')[0]}`),
    ...lines(readFileSync('/proc/self/mountinfo', 'utf8')).map((line) => `mount ${line.split(' ')[4]}`),
    ...folders
      .filter((folder) => existsSync(folder))
      .flatMap((folder) => readdirSync(folder).map((name) => `file ${folder}/${name}`)),
    ...readdirSync('/tmp').flatMap((name) => (name.startsWith(`knit-test-${own}`) ? [`file /tmp/${name}`] : [])),
    ...cgroups().map((name) => `cgroup ${name}`),
    ...clusterProcesses(own).map((command) => `process ${command}`),
  ];
  const foreign = [...marks, ...foreignMarks(own)];
  return state.filter((line) => !foreign.some((mark) => mark.test(line))).toSorted();
}

/** Each line of a ruleset behind the table that it is in, whose name tells whose it is. */
function withTables(ruleset: readonly string[]): string[] {
  let table = '';
  return ruleset.map((line) => {
    if (line.startsWith('table ')) table = line.replace(' {', '');
    return `${table} ${line.trim()}`;
  });
}

/** What the lines of others are known by: names of their clusters, their interfaces, what unit tests make. */
function foreignMarks(own: string): RegExp[] {
  const clusters = clusterNames().filter((name) => !name.startsWith(own));
  const names = new Set([...clusters, ...runningNames().filter((name) => !name.startsWith(own))]);
  const interfaces = clusters.flatMap((name) => findConfig(name)?.addresses.host.interface ?? []);
  return [
    ...[...names].map((name) => new RegExp(`(/|knit-)${name}([./ -]|$)`)),
    ...interfaces.map((name) => new RegExp(`(^| )${name}(@| |$)`)),
    /[/ ]knit-t-/,
    // Whatever others do in temporary folders of their own, which carry no name of knit's.
    /^mount \/tmp\/(?!knit-)/,
    // `ip netns` makes it with the first namespace of whomever, and the last cluster takes it away.
    /^mount \/run\/netns$/,
    // Shared by all clusters, and there as long as there is one.
    ...(names.size > 0 ? [/^file \/(run\/knit\/\.|var\/lib\/cni)/] : []),
  ];
}

function runningNames(): string[] {
  return existsSync('/run/knit') ? readdirSync('/run/knit') : [];
}

/** Folders in which knit, containerd or CNI plugins could leave something. */
const folders = ['/run/knit', '/var/lib/knit', '/var/lib/cni', '/run/netns', '/run/containerd', '/etc/cni'];

function cgroups(): string[] {
  const root = '/sys/fs/cgroup';
  return [root, ...readdirSync(root).map((name) => `${root}/${name}`)].flatMap((folder) =>
    existsSync(`${folder}/knit`)
      ? readdirSync(`${folder}/knit`, { withFileTypes: true }).flatMap((entry) =>
          entry.isDirectory() ? [`${folder}/knit/${entry.name}`] : [],
        )
      : [],
  );
}

/** The share of cpu that a cgroup has beside its siblings, as the kernel tells it. */
export function cpuShareOf(cgroup: string): number {
  const [hierarchy, file] = cgroupMode() === 'v2' ? ['.', 'cpu.weight'] : ['cpu', 'cpu.shares'];
  return Number(readFileSync(join('/sys/fs/cgroup', hierarchy, cgroup, file), 'utf8'));
}

/** Command lines of processes that belong to the clusters, by their cgroup or by the files that they were given. */
function clusterProcesses(own: string): string[] {
  const ofCluster = new RegExp(`/knit/${own}`);
  return (
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .map((pid) => ({
        command: processFile(pid, 'cmdline').replaceAll('\0', ' '),
        cgroup: processFile(pid, 'cgroup'),
      }))
      // What has ended and was not yet reaped has no command line.
      .filter(({ command, cgroup }) => command !== '' && (ofCluster.test(command) || ofCluster.test(cgroup)))
      .map(({ command }) => command.trim())
  );
}

/** The command line of a process; empty where it has ended. */
export function commandOf(pid: number): string {
  return processFile(String(pid), 'cmdline').replaceAll('\0', ' ');
}

function processFile(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return ''; // it ended while we looked
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}
