import { join } from 'node:path';
import { enterNetns, netnsFolder } from '../kernel/netns.ts';
import { fabricNetns } from '../machine/fabric.ts';
import { startKeeper } from '../machine/keeper.ts';
import { type ClusterConfig, contextName } from './config.ts';
import { clusterPaths } from './paths.ts';
import type { ListeningSocket } from './ports.ts';
import { program } from './processes.ts';
import { clusterCgroup } from './running.ts';

/** Starts the server in the fabric's namespace; it answers on the host through the listening sockets, which it gets as 3, 4, … */
export async function startServer(config: ClusterConfig, sockets: readonly ListeningSocket[]): Promise<void> {
  const paths = clusterPaths(config.name);
  await startKeeper({
    folder: join(paths.runtime, 'server'),
    cgroup: `${clusterCgroup(config.name)}/server`,
    enter: ['nsenter', ...enterNetns(fabricNetns(contextName(config.name)))],
    setup: [],
    processes: [{ command: program('server', [config.name]), log: join(paths.logs, 'server.log') }],
    fds: sockets.map(({ fd }) => fd),
  });
}

/** Starts the process that gives the fabric its way out, where one is needed. */
export async function startUplink(config: ClusterConfig): Promise<void> {
  if (config.spec.network.uplink !== 'user') return;
  const paths = clusterPaths(config.name);
  const netns = `${netnsFolder}/${fabricNetns(contextName(config.name))}`;
  const flags = ['--configure', '--mtu=1500', '--disable-host-loopback', `--cidr=${config.addresses.uplinkCIDR}`];
  await startKeeper({
    folder: join(paths.runtime, 'uplink'),
    cgroup: `${clusterCgroup(config.name)}/uplink`,
    enter: [],
    setup: [],
    processes: [
      {
        command: ['slirp4netns', ...flags, '--netns-type=path', netns, 'uplink'],
        log: join(paths.logs, 'uplink.log'),
      },
    ],
  });
}
