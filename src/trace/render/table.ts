import { formatPlace, formatTuple } from '../model.ts';
import type { Report, Story, ToldHop } from '../story.ts';
import { duration, wordsOf } from './words.ts';

/** A row of cells a sighting, with real interface names; below each hop the rules that matched there, as the kernel told. */
export function tableRows(report: Report): string[][] {
  const heads = ['#', 'PLACE', 'INTERFACE', '', 'NS', 'PACKET', 'WHAT'];
  return report.stories.flatMap((story) => [
    heads,
    ...rowsOf(story, story.request, ''),
    ...rowsOf(story, story.reply, '↩'),
  ]);
}

function rowsOf(story: Story, hops: readonly ToldHop[], mark: string): string[][] {
  const start = story.request[0]?.out?.at ?? story.request[0]?.in?.at ?? 0n;
  return hops.flatMap((hop, index) => {
    const sightings = [
      { direction: 'in', sighting: hop.in },
      { direction: 'out', sighting: hop.out },
    ].filter(({ sighting }) => sighting !== undefined);
    const what = hop.events.map((event) => Object.values(wordsOf(event)).filter(Boolean).join(' · ')).join('; ');
    const rows = sightings.map(({ direction, sighting }, at) => [
      at === 0 ? `${mark}${index + 1}` : '',
      at === 0 ? formatPlace(hop.place) : '',
      sighting?.interface ?? '',
      direction,
      sighting?.at === undefined ? '' : String(sighting.at - start),
      sighting ? formatTuple(sighting.packet) : '',
      at === 0 ? what : '',
    ]);
    const rules = hop.rules.map(({ table, chain, text, verdict }) => [
      '',
      '',
      '',
      '',
      '',
      `${table} ${chain}`,
      `${text} (${verdict})`,
    ]);
    return [...rows, ...rules];
  });
}

/** What {@link tableRows} leaves out. */
export function tableFooter(report: Report): string[] {
  return report.stories.flatMap(({ summary, differences }) => [
    ...differences.map(({ place, predicted, seen }) => `${formatPlace(place)}: planned: ${predicted}; seen: ${seen}`),
    `nodes ${summary.nodes.join(', ') || 'none'} · translations ${summary.translations}${summary.roundTrip === undefined ? '' : ` · answer after ${duration(summary.roundTrip)}`}`,
  ]);
}
