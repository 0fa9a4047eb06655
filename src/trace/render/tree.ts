import { formatPlace, formatTuple, type Hop, type HopEvent } from '../model.ts';
import type { TlsOutcome } from '../probe.ts';
import type { Lookup, Report, Story, ToldHop } from '../story.ts';
import { wholeSummary } from '../summary.ts';
import { duration, endText, reason, wordsOf } from './words.ts';

/** How words are set off; the command line gives colours, tests nothing. */
export interface Ink {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

export const plainInk: Ink = { bold: (t) => t, dim: (t) => t, good: (t) => t, bad: (t) => t };

export interface TreeOptions {
  readonly ink?: Ink;
  /** Columns of the terminal: reasons that do not fit stand below. Default: as wide as it takes. */
  readonly width?: number;
}

export function drawTree(
  report: Report,
  { ink = plainInk, width = Number.POSITIVE_INFINITY }: TreeOptions = {},
): string {
  const blocks = [
    ink.bold(report.title),
    ...(report.lookup ? [drawLookup(report.lookup, ink, width)] : []),
    ...report.stories.map((story) => drawStory(story, ink, width)),
    ...(report.stories.length > 1 ? [drawSpread(report.stories)] : []),
    ...(report.lost > 0 ? [ink.bad(`The captures lost ${report.lost} packets: there may be more than is shown.`)] : []),
  ];
  return blocks.join('\n\n');
}

function drawStory(story: Story, ink: Ink, width: number): string {
  const rows = [...rowsThere(story), ...rowsBehind(story), ...rowsBack(story)];
  return [
    ...[...story.differences, ...(story.behind?.story.differences ?? [])].map(({ place, predicted, seen }) =>
      ink.bad(` ! ${formatPlace(place)} does not do what the plans say. Planned: ${predicted}. Seen: ${seen}.`),
    ),
    ...layOut(rows, ink, width),
    '',
    ...summaryLines(story, ink).map((line) => ` ${line}`),
  ].join('\n');
}

/** The connection that the L7 proxy made for it: its first line says by which Ingress or Gateway. */
function rowsBehind({ behind, request }: Story): Row[] {
  if (!behind) return [];
  const there = rowsThere(behind.story).map((row, index) => ({
    ...row,
    number: row.number === '' ? '' : String(Number(row.number) + request.length),
    why: index === 0 ? reason(behind.cause) : row.why,
  }));
  return [...there, ...rowsBack(behind.story)];
}

/** A line of the drawing. */
interface Row {
  readonly number: string;
  readonly place: string;
  readonly interface: string;
  /** Since the line before. */
  readonly time: string;
  readonly what: string;
  readonly why: string;
  readonly isBad?: boolean;
}

function rowsThere(story: Story): Row[] {
  let shown = '';
  let before: bigint | undefined;
  return story.request.flatMap((hop, index) => {
    const came = index === 0 ? hop.out?.at : (hop.in?.at ?? hop.out?.at);
    const time = came === undefined ? '' : before === undefined ? '0 µs' : `+${duration(Number(came - before))}`;
    before = hop.out?.at ?? came ?? before;
    const lines = hop.events.flatMap((event) => lineOf(event, hop, story));
    const packet = formatTuple(index === 0 ? story.packet : ((hop.out ?? hop.in)?.packet ?? story.packet));
    if (lines.length === 0) lines.push({ what: packet === shown ? 'routed' : packet, why: '' });
    shown = formatTuple((hop.out ?? hop.in)?.packet ?? story.packet);
    return lines.map(
      (line, at): Row =>
        at === 0
          ? { number: String(index + 1), place: formatPlace(hop.place), interface: interfacesOf(hop), time, ...line }
          : { number: '', place: '', interface: '', time: '', ...line },
    );
  });
}

type Line = Pick<Row, 'what' | 'why' | 'isBad'>;

function lineOf(event: HopEvent, hop: ToldHop, story: Story): Line {
  const { what, why } = wordsOf(event);
  if (event.kind === 'sent') return { what: formatTuple(story.packet), why };
  if (event.kind === 'delivered') return { what: `delivered${seenClient(story)}`, why };
  if (event.kind === 'balanced') return { what: formatTuple(hop.out?.packet ?? story.packet), why };
  return { what, why, isBad: event.kind === 'dropped' || event.kind === 'rejected' };
}

function seenClient({ summary, from }: Story): string {
  const { serverSaw } = summary;
  if (!serverSaw) return '';
  if (serverSaw.isClient) return `; the server sees ${serverSaw.address} (${formatPlace(from)})`;
  return `; the server sees ${serverSaw.address}${serverSaw.who ? ` (${serverSaw.who})` : ''}, not ${formatPlace(from)}`;
}

/** A pod's link has a random name on its node: `-o table` has it. */
function interfacesOf({ in: comes, out: leaves }: Hop): string {
  const names = [comes?.interface, leaves?.interface].flatMap((name) => (name ? name.replace(/^veth.+/, 'veth') : []));
  return names[0] === names[1] && names[0] !== 'veth' ? (names[0] ?? '') : names.join(' → ');
}

/** The answer's way, in one line: who turned what round. */
function rowsBack({ reply, replyEnd, replyIs, request }: Story): Row[] {
  const first = reply[0];
  const last = reply.at(-1);
  if (!first || !last) return [];
  const turned = reply.flatMap(({ place, events }) =>
    events.some(({ kind }) => kind === 'un-nat') ? [formatPlace(place)] : [],
  );
  const sent = request.at(-1);
  const [from, to] = [sent?.in?.at ?? sent?.out?.at, last.in?.at];
  const time = from === undefined || to === undefined ? '' : `+${duration(Number(to - from))}`;
  const arrived = replyEnd?.kind === 'delivered';
  const through = reply.slice(1, -1).map(({ place }) => formatPlace(place));
  const via = through.length > 0 ? `through ${[...new Set(through)].join(', ')}` : '';
  const what = arrived
    ? [replyIs, via].filter(Boolean).join(' ')
    : `${replyEnd?.kind ?? 'lost'} at ${formatPlace(last.place)}`;
  const restored = reply.flatMap(({ events }) =>
    events.flatMap((each) => (each.kind === 'un-nat' ? [each.after] : [])),
  );
  const sender = restored.at(-1);
  const why = sender ? `translated back by ${turned.join(', ')}: from ${endText(sender, 'source')}` : '';
  return [
    { number: '↩', place: formatPlace(last.place), interface: interfacesOf(last), time, what, why, isBad: !arrived },
  ];
}

function layOut(rows: readonly Row[], ink: Ink, width: number): string[] {
  const widest = (column: 'place' | 'interface' | 'time' | 'what') =>
    Math.max(0, ...rows.map((row) => row[column].length));
  const [place, device, time] = [widest('place'), widest('interface'), widest('time')];
  const what = Math.max(0, ...rows.flatMap((row) => (row.why === '' ? [] : [row.what.length])));
  const indent = 5 + place + 2 + device + 2 + time + 2;
  return rows.flatMap((row) => {
    const head = ` ${row.number.padStart(2)}  ${ink.bold(row.place.padEnd(place))}  ${ink.dim(row.interface.padEnd(device))}  ${ink.dim(row.time.padStart(time))}  `;
    const text = row.isBad ? ink.bad(row.what) : row.what;
    if (row.why === '') return [head + text];
    if (indent + what + 2 + row.why.length <= width)
      return [`${head}${text}${' '.repeat(what - row.what.length)}  ${row.why}`];
    return [head + text, `${' '.repeat(indent + 2)}${row.why}`];
  });
}

function summaryLines(story: Story, ink: Ink): string[] {
  const { differences, end: ended, outcome, behind } = story;
  const summary = wholeSummary(story);
  const said = outcome?.failure ?? outcome?.answer?.split(/\r?\n/)[0];
  const verdict = [
    count(summary.nodes.length, 'node'),
    count(summary.translations, 'translation'),
    ...(summary.serverSaw ? [summary.serverSaw.isClient ? 'client address kept' : ink.bad('client address lost')] : []),
    ...(ended.kind === 'delivered' ? [] : [ink.bad(`${ended.kind} at ${formatPlace(ended.place)}`)]),
    ...(behind && !behind.isStream && !summary.serverSaw?.isClient ? ['X-Forwarded-For has it'] : []),
    differences.length + (behind?.story.differences.length ?? 0) === 0
      ? ink.good('as predicted')
      : ink.bad('not as predicted'),
  ];
  const figures = [
    ...(summary.roundTrip === undefined ? [] : [`answer after ${duration(summary.roundTrip)}`]),
    ...(summary.slowest ? [`longest ${summary.slowest.where} ${duration(summary.slowest.ns)}`] : []),
    ...(summary.mtu === undefined ? [] : [`MTU ${summary.mtu}`]),
    ...(outcome?.tls ? [tlsText(outcome.tls)] : []),
    ...(said ? [`the program got: ${said}`] : []),
  ];
  return [verdict.join(' · '), ...(figures.length > 0 ? [ink.dim(figures.join(' · '))] : [])];
}

function tlsText({ version, certificate, refusal }: TlsOutcome): string {
  const whose = certificate === undefined ? '' : `, certificate for ${certificate}`;
  return `${version}${whose}${refusal ? ` (a client that checks would refuse it: ${refusal})` : ''}`;
}

function drawLookup({ name, address, questions, story }: Lookup, ink: Ink, width: number): string {
  const server = story ? `, asked of ${endText(story.packet, 'destination')}` : '';
  const rows = story ? [...rowsThere(story), ...rowsBack(story)] : [];
  const asked = questions.map(({ name: full, type, answer, took }) => {
    const time = took === undefined ? '' : `   ${ink.dim(duration(took))}`;
    return `     ${type.padEnd(4)} ${full} → ${answer ?? ink.bad('no answer')}${time}`;
  });
  return [
    ` ${ink.bold('name')}  ${name} → ${address ?? ink.bad('no address')}${server}`,
    ...asked,
    ...(rows.length > 0 ? ['', ...layOut(rows, ink, width)] : []),
  ].join('\n');
}

/** Where several connections went. */
function drawSpread(stories: readonly Story[]): string {
  const places = stories.map(
    ({ end: ended }) => `${ended.kind === 'delivered' ? '' : `${ended.kind} at `}${formatPlace(ended.place)}`,
  );
  const counts = [...Map.groupBy(places, (place) => place)].map(([place, all]) => `${place} ${all.length}`);
  return ` ${stories.length} connections: ${counts.join(' · ')}`;
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;
