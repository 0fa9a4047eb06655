import type { ChainWalk } from '../../kernel/nft-trace.ts';
import type { IpPacket } from '../../kernel/packet.ts';
import type { Hop, Place, Tuple, Way } from '../model.ts';
import type { Evidence, Seen } from '../observe.ts';

const START = 1_700_000_000_000_000_000n;
/** Between two sightings, in ns. */
const STEP = 10_000n;

/** What captures would see of a way: a SYN along its request, a SYN ACK along its reply. */
export function evidenceOf(way: Pick<Way, 'request' | 'reply'>, walks: Evidence['walks'] = []): Evidence {
  const seen: Seen[] = [];
  let at = START;
  const add = (hops: readonly Hop[], flags: string) => {
    let ttl = 64;
    for (const { place, in: comes, out: leaves } of hops) {
      const see = (direction: 'in' | 'out', name: string, tuple: Tuple) => {
        at += STEP;
        seen.push({
          place,
          interface: name,
          direction,
          at,
          packet: packetOf(tuple, flags, ttl),
          frame: frameOf(flags),
          length: 80,
        });
      };
      if (comes && comes.interface !== 'lo') see('in', comes.interface, comes.packet);
      if (comes && leaves) ttl--;
      if (leaves) see(leaves.interface === 'lo' ? 'in' : 'out', leaves.interface, leaves.packet);
    }
  };
  add(way.request, 'S');
  add(way.reply, 'SA');
  return { seen, walks, connections: [], traced: walks.length > 0, links: new Map() };
}

function packetOf({ protocol, ...tuple }: Tuple, flags: string, ttl: number): IpPacket {
  const tcp = {
    sequence: flags === 'S' ? 1000 : 2000,
    acknowledgment: flags === 'S' ? 0 : 1001,
    flags,
    payloadLength: 0,
  };
  return {
    family: 'ipv4',
    protocol,
    ...tuple,
    ttl,
    id: flags === 'S' ? 7 : 0,
    length: 60,
    tcp,
    payload: Buffer.alloc(0),
  };
}

const frameOf = (flags: string): Buffer => Buffer.from(`frame of ${flags}`);

/** A rule of `place` that ended the SYN. */
export function dropWalk(place: Place, packet: Tuple, text: string): Evidence['walks'][number] {
  const { source, destination, sourcePort, destinationPort } = packet;
  const walk: ChainWalk = {
    table: 'ip filter',
    chain: 'forward',
    packet: { source, destination, sourcePort, destinationPort, ttl: 64, id: 7, length: 60, tcpFlags: 2 },
    rules: [{ chain: 'forward', text, handle: 1, verdict: 'drop' }],
    verdict: 'drop',
  };
  return { place, walk };
}
