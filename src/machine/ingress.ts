import { existsSync } from 'node:fs';
import { killCgroup, processesIn, removeCgroup } from '../kernel/cgroup.ts';
import { ipBatch, routesOf } from '../kernel/ip.ts';
import { enterNetns, netnsFolder, runInNetns } from '../kernel/netns.ts';
import { type AddressPair, alone, fabricNetns, fabricSide, farSide, ingressNetns } from './fabric.ts';
import { startKeeper } from './keeper.ts';

/** Where the L7 proxy runs: a namespace outside the nodes, with one link to the fabric and a virtual address of its own. */
export interface IngressMachine {
  readonly prefix: string;
  /** The proxy's addresses and the fabric's, one pair a family. */
  readonly links: readonly AddressPair[];
  readonly cgroup: string;
  /** For the keeper's files. */
  readonly folder: string;
  readonly log: string;
}

/** The interface on the fabric's side. */
const link = 'ingress';

/** After 1.4 s (tcp(7), `tcp_retries2`: sent again after 0.2 and 0.6 s) a server that acknowledges nothing is given up. */
const giveUpServers = 'echo 1 > /proc/sys/net/ipv4/tcp_retries2';
/** The proxy listens at an address before or after it comes here, as it happens. */
const listenAnywhere = 'for family in 4 6; do echo 1 > /proc/sys/net/ipv$family/ip_nonlocal_bind; done';
/** Marks routes to addresses that came later: the number that the kernel keeps as a route's protocol. */
const protocol = 77;

/** Makes the namespace, and keeps `command` running in it. What a crash left of it is taken away first. */
export async function startIngressMachine(machine: IngressMachine, command: readonly string[]): Promise<void> {
  await stopIngressMachine(machine);
  const { prefix, links } = machine;
  const netns = ingressNetns(prefix);
  await ipBatch([
    `netns add ${netns}`,
    `link add ${link} netns ${fabricNetns(prefix)} type veth peer name eth0 netns ${netns}`,
  ]);
  await ipBatch(farSide(links), netns);
  await ipBatch(fabricSide(link, links), fabricNetns(prefix));
  await runInNetns(netns, [giveUpServers, listenAnywhere].join('\n'));
  await startKeeper({
    folder: machine.folder,
    cgroup: machine.cgroup,
    enter: ['nsenter', ...enterNetns(netns)],
    setup: [],
    processes: [{ command, log: machine.log }],
  });
}

export function ingressMachineRuns({ prefix, cgroup }: IngressMachine): boolean {
  return existsSync(`${netnsFolder}/${ingressNetns(prefix)}`) && processesIn(cgroup).length > 0;
}

/** Leads what is sent to `addresses` there too, and what is sent to others that came later nowhere. */
export async function reachIngressMachine({ prefix }: IngressMachine, addresses: readonly string[]): Promise<void> {
  const fabric = fabricNetns(prefix);
  const present = (await routesOf(protocol, fabric)).map(({ destination }) => destination);
  const gone = present.filter((address) => !addresses.includes(address));
  const come = addresses.filter((address) => !present.includes(address));
  await ipBatch(
    [
      ...gone.map((each) => `addr del ${alone(each)} dev eth0`),
      ...come.map((each) => `addr replace ${alone(each)} dev eth0`),
    ],
    ingressNetns(prefix),
  );
  await ipBatch(
    [
      ...gone.map((each) => `route del ${each} dev ${link} proto ${protocol}`),
      ...come.map((each) => `route replace ${each} dev ${link} proto ${protocol}`),
    ],
    fabric,
  );
}

/** Ends its processes and takes the namespace away; does nothing where there is none. */
export async function stopIngressMachine({ prefix, cgroup }: IngressMachine): Promise<void> {
  const netns = ingressNetns(prefix);
  if (processesIn(cgroup).length > 0) await killCgroup(cgroup);
  if (!existsSync(`${netnsFolder}/${netns}`)) return;
  await removeCgroup(cgroup);
  await ipBatch([`link del ${link}`], fabricNetns(prefix)).catch(() => undefined); // it goes with the namespace too
  await ipBatch([`netns del ${netns}`]);
}
