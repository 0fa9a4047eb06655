import { formatPlace, type Sighting, samePlace } from '../model.ts';
import type { Seen } from '../observe.ts';
import type { Report, Story, ToldHop } from '../story.ts';
import { wordsOf } from './words.ts';

/**
 * All packets of a report as a capture file that Wireshark opens (draft-ietf-opsawg-pcapng): an interface for each place
 * and device, with its name, and on each packet a comment with what happened to it there.
 */
export function toPcapng(report: Report): Buffer {
  const stories = [...(report.lookup?.story ? [report.lookup.story] : []), ...report.stories];
  const packets = stories
    .flatMap((story) => story.packets.map((seen) => ({ seen, comment: commentOn(story, seen) })))
    .sort((a, b) => Number(a.seen.at - b.seen.at));
  const names = [...new Set(packets.map(({ seen }) => nameOf(seen)))];
  return Buffer.concat([
    sectionHeader(report.title),
    ...names.map(interfaceDescription),
    ...packets.map(({ seen, comment }) => enhancedPacket(seen, names.indexOf(nameOf(seen)), comment)),
  ]);
}

const nameOf = (seen: Seen) => `${formatPlace(seen.place)} ${seen.interface}`;

/** What happens to a packet where it is seen: as to the connection's first one, or to its answer, at this interface. */
function commentOn(story: Story, seen: Seen): string {
  const where = formatPlace(seen.place);
  for (const [hops, mark] of [
    [story.request, ''],
    [story.reply, '↩ '],
  ] as const) {
    const index = hops.findIndex((hop) => samePlace(hop.place, seen.place) && isLike(hop[seen.direction], seen));
    const hop = hops[index];
    if (hop) return `${mark}${index + 1}. ${where}: ${eventsOn(hop, seen.direction)}`;
  }
  return `${where}: ${passed[seen.direction]}`;
}

const passed = { in: 'came in', out: 'went out' } as const;

/** What happens in a place is told where the packet leaves it, or where it ends. */
function eventsOn(hop: ToldHop, direction: Seen['direction']): string {
  if (direction === 'in' && hop.out) return passed.in;
  const events = hop.events.map((event) => Object.values(wordsOf(event)).filter(Boolean).join(': '));
  return events.join('; ') || 'routed';
}

function isLike(sighting: Sighting | undefined, { interface: name, packet, outer = packet }: Seen): boolean {
  return (
    sighting?.interface === name &&
    sighting.packet.source === outer.source &&
    sighting.packet.destination === outer.destination
  );
}

/** Linux cooked capture, version 2: as packets were captured. */
const LINKTYPE_LINUX_SLL2 = 276;
const OPTION = { end: 0, comment: 1, application: 4, name: 2, resolution: 9, flags: 2 } as const;

function sectionHeader(title: string): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(0x1a2b3c4d, 0);
  head.writeUInt16LE(1, 4);
  head.writeBigInt64LE(-1n, 8); // the section's length is not said
  return block(0x0a0d0d0a, [head, option(OPTION.comment, title), option(OPTION.application, 'knit trace')]);
}

function interfaceDescription(name: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(LINKTYPE_LINUX_SLL2, 0);
  return block(1, [head, option(OPTION.name, name), option(OPTION.resolution, Buffer.from([9]))]);
}

function enhancedPacket({ at, frame, length, direction }: Seen, index: number, comment: string): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32LE(index, 0);
  head.writeUInt32LE(Number(at >> 32n), 4);
  head.writeUInt32LE(Number(at & 0xffffffffn), 8);
  head.writeUInt32LE(frame.length, 12);
  head.writeUInt32LE(length, 16);
  const flags = Buffer.from([direction === 'in' ? 1 : 2, 0, 0, 0]);
  return block(6, [head, padded(frame), option(OPTION.comment, comment), option(OPTION.flags, flags)]);
}

/** A block's options end with an empty one; its length stands before and after it. */
function block(type: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat([...parts, option(OPTION.end, Buffer.alloc(0))]);
  const head = Buffer.alloc(8);
  const tail = Buffer.alloc(4);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(body.length + 12, 4);
  tail.writeUInt32LE(body.length + 12, 0);
  return Buffer.concat([head, body, tail]);
}

function option(code: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code, 0);
  head.writeUInt16LE(bytes.length, 2);
  return Buffer.concat([head, padded(bytes)]);
}

/** To whole 32-bit words. */
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
