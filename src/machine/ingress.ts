import { existsSync } from 'node:fs';
import { killCgroup, processesIn, removeCgroup } from '../kernel/cgroup.ts';
import { ipBatch } from '../kernel/ip.ts';
import { enterNetns, netnsFolder } from '../kernel/netns.ts';
import { type AddressPair, fabricNetns, fabricSide, farSide, ingressNetns } from './fabric.ts';
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

/** Ends its processes and takes the namespace away; does nothing where there is none. */
export async function stopIngressMachine({ prefix, cgroup }: IngressMachine): Promise<void> {
  const netns = ingressNetns(prefix);
  if (processesIn(cgroup).length > 0) await killCgroup(cgroup);
  if (!existsSync(`${netnsFolder}/${netns}`)) return;
  await removeCgroup(cgroup);
  await ipBatch([`link del ${link}`], fabricNetns(prefix)).catch(() => undefined); // it goes with the namespace too
  await ipBatch([`netns del ${netns}`]);
}
