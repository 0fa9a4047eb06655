import { formatPlace, formatTuple, type Hop } from '../model.ts';
import type { Report, Story } from '../story.ts';
import { wordsOf } from './words.ts';

/** A sequence diagram (mermaid.js.org) a connection, for documents. */
export function drawMermaid(report: Report): string {
  return report.stories.map((story) => drawStory(report.title, story)).join('\n\n');
}

function drawStory(title: string, story: Story): string {
  const names = [...new Set([...story.request, ...story.reply].map(({ place }) => formatPlace(place)))];
  const idOf = (hop: Hop) => `p${names.indexOf(formatPlace(hop.place))}`;
  const lines = [story.request, story.reply].flatMap((hops, direction) =>
    hops.flatMap((hop, index) => {
      const next = hops[index + 1];
      const arrow = direction === 0 ? '->>' : '-->>';
      return [
        ...hop.events
          .filter(({ kind }) => kind !== 'sent')
          .map((event) => `  Note over ${idOf(hop)}: ${noteOf(event)}`),
        ...(next && hop.out ? [`  ${idOf(hop)}${arrow}${idOf(next)}: ${clean(formatTuple(hop.out.packet))}`] : []),
      ];
    }),
  );
  const participants = names.map((name, index) => `  participant p${index} as ${clean(name)}`);
  return ['---', `title: ${JSON.stringify(title)}`, '---', 'sequenceDiagram', ...participants, ...lines].join('\n');
}

function noteOf(event: Hop['events'][number]): string {
  const { what, why } = wordsOf(event);
  return [what, why]
    .filter((text) => text !== '')
    .map(clean)
    .join('<br/>');
}

/** A semicolon ends a statement, and a hash begins an escape. */
const clean = (text: string): string => text.replaceAll(';', ',').replaceAll('#', '');
