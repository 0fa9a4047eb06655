import { formatEndpoint, formatPlace, formatTuple, type Hop, type HopEvent, type Tuple } from '../model.ts';
import type { Story } from '../story.ts';

/** How words are set off; the command line gives colours, tests nothing. */
export interface Ink {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

export const plainInk: Ink = { bold: (t) => t, dim: (t) => t, good: (t) => t, bad: (t) => t };

/** A line of the drawing: number, place, interface, what happens, why, and the time since the line before. */
interface Row {
  readonly number: string;
  readonly place: string;
  readonly interface: string;
  readonly what: string;
  readonly why: string;
  readonly time: string;
}

export function drawTree(story: Story, ink: Ink = plainInk): string {
  const rows = [...rowsOf(story.request, story), ...backRows(story)];
  return [
    ink.bold(story.title),
    ...story.differences.map(({ place, predicted, seen }) =>
      ink.bad(` ! ${formatPlace(place)}: the plans say: ${predicted}; the kernel: ${seen}`),
    ),
    '',
    ...layOut(rows, ink),
    '',
    ` ${summaryLine(story, ink)}`,
  ].join('\n');
}

function rowsOf(hops: readonly Hop[], story: Story): Row[] {
  const start = hops[0]?.out?.at;
  let before = start;
  return hops.flatMap((hop, index) => {
    const stamp = index === 0 ? hop.out?.at : (hop.in?.at ?? hop.out?.at);
    const time =
      stamp === undefined || before === undefined ? '' : index === 0 ? '0 µs' : `+${micro(Number(stamp - before))}`;
    before = hop.out?.at ?? stamp;
    const lines = describe(hop, story);
    return lines.map(
      (line, at): Row => ({
        number: at === 0 ? String(index + 1) : '',
        place: at === 0 ? formatPlace(hop.place) : '',
        interface: at === 0 ? interfaces(hop) : '',
        what: line.what,
        why: line.why ?? '',
        time: at === 0 ? time : '',
      }),
    );
  });
}

function interfaces({ in: comes, out: leaves }: Hop): string {
  const names = [comes?.interface, leaves?.interface].filter((name) => name !== undefined);
  return [...new Set(names)].join(' → ');
}

function describe(hop: Hop, story: Story): { what: string; why?: string }[] {
  const lines = hop.events.flatMap((event) => describeEvent(event, hop, story));
  if (lines.length > 0) return lines;
  const packet = hop.out?.packet ?? hop.in?.packet;
  return [{ what: packet ? formatTuple(packet) : '', why: hop.place.kind === 'fabric' ? 'routed' : '' }];
}

function describeEvent(event: HopEvent, hop: Hop, story: Story): { what: string; why?: string }[] {
  const causeText = (cause: { object?: string; text: string } | undefined) =>
    [cause?.object, cause?.text].filter(Boolean).join(': ');
  switch (event.kind) {
    case 'sent':
      return hop.out ? [{ what: formatTuple(story.packet) }] : [];
    case 'dnat':
      return [
        {
          what: `DNAT ${endpointOf(event.before, 'destination')} → ${endpointOf(event.after, 'destination')}`,
          why: causeText(event.cause),
        },
      ];
    case 'snat':
      return [
        {
          what: `SNAT ${endpointOf(event.before, 'source')} → ${endpointOf(event.after, 'source')}`,
          why: causeText(event.cause),
        },
      ];
    case 'un-nat':
      return [{ what: `back to ${formatTuple(event.after)}` }];
    case 'admitted':
      return [{ what: 'admitted', why: causeText(event.cause) }];
    case 'delivered':
      return [{ what: `delivered; ${seenClient(story)}` }];
    default:
      return [{ what: event.kind.toUpperCase(), why: causeText(event.cause) }];
  }
}

function seenClient({ summary, from }: Story): string {
  const { serverSaw } = summary;
  if (!serverSaw) return '';
  const who = serverSaw.isClient ? formatPlace(from) : `not ${formatPlace(from)}`;
  return `the server sees ${serverSaw.address} (${who})`;
}

function endpointOf(tuple: Tuple, side: 'source' | 'destination'): string {
  return tuple.protocol === 'icmp' ? tuple[side] : formatEndpoint(tuple[side], tuple[`${side}Port`]);
}

/** The answer's way, in one line: who turned what round. */
function backRows({ reply, request }: Story): Row[] {
  const first = reply[0];
  const last = reply.at(-1);
  if (!first || !last) return [];
  const turned = reply
    .filter(({ events }) => events.some(({ kind }) => kind === 'un-nat'))
    .map(({ place }) => formatPlace(place));
  const via = turned.length === 0 ? '' : ` by ${turned.join(', ')} (translated back)`;
  const sent = request.at(-1)?.in?.at ?? request.at(-1)?.out?.at;
  const arrived = last.in?.at;
  const time = sent === undefined || arrived === undefined ? '' : `+${micro(Number(arrived - sent))}`;
  return [
    { number: '↩', place: `back to ${formatPlace(last.place)}`, interface: '', what: `${via.trim()}`, why: '', time },
  ];
}

function layOut(rows: readonly Row[], ink: Ink): string[] {
  const width = (column: keyof Row) => Math.max(...rows.map((row) => row[column].length), 0);
  const [place, device, what, time] = [width('place'), width('interface'), width('what'), width('time')];
  return rows.map((row) =>
    [
      ` ${row.number.padStart(2)}  ${ink.bold(row.place.padEnd(place))}  ${ink.dim(row.interface.padEnd(device))}`,
      row.what.padEnd(what),
      `${ink.dim(row.time.padStart(time))}`,
      row.why,
    ]
      .join('  ')
      .trimEnd(),
  );
}

function summaryLine({ summary, differences, end }: Story, ink: Ink): string {
  const parts = [
    count(summary.nodes.length, 'node'),
    count(summary.translations, 'translation'),
    ...(summary.serverSaw ? [summary.serverSaw.isClient ? 'client address kept' : ink.bad('client address lost')] : []),
    ...(end.kind === 'delivered' ? [] : [ink.bad(`${end.kind} at ${formatPlace(end.place)}`)]),
    ...(summary.roundTrip === undefined ? [] : [`round trip ${micro(summary.roundTrip)}`]),
    ...(summary.slowest ? [`slowest ${summary.slowest.where} ${micro(summary.slowest.ns)}`] : []),
    ...(summary.mtu === undefined ? [] : [`MTU ${summary.mtu}`]),
    differences.length === 0 ? ink.good('as predicted') : ink.bad('not as predicted'),
  ];
  return parts.join(' · ');
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;

/** `41 µs`, `1.2 ms` */
export function micro(ns: number): string {
  return ns < 999_500 ? `${Math.round(ns / 1000)} µs` : `${(ns / 1e6).toFixed(1)} ms`;
}
