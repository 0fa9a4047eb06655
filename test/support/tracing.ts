import assert from 'node:assert/strict';
import type { Hop, HopEvent, Place, Tuple } from '../../src/trace/model.ts';
import { formatPlace, formatTuple } from '../../src/trace/model.ts';
import type { Lookup, Story } from '../../src/trace/story.ts';
import type { TestCluster } from './cluster.ts';

/** What `knit trace -o json` prints, as far as tests look. */
export interface TraceOutput {
  readonly title: string;
  readonly lookup?: Lookup;
  readonly stories: readonly Omit<Story, 'packets'>[];
  readonly lost: number;
}

export async function traceOf(
  cluster: TestCluster,
  from: string,
  to: string,
  ...flags: string[]
): Promise<TraceOutput> {
  return JSON.parse(await cluster.knit(['trace', from, to, '-o', 'json', ...flags]));
}

/** The story of the only connection, which must be as the plans say. */
export async function storyOf(cluster: TestCluster, from: string, to: string, ...flags: string[]) {
  const { stories } = await traceOf(cluster, from, to, ...flags);
  const [story] = stories;
  assert.ok(story && stories.length === 1);
  assert.deepEqual(story.differences, []);
  return story;
}

/** `pod shop/a > node-1 > fabric` */
export const wayOf = (hops: readonly Hop[]): string => hops.map(({ place }) => formatPlace(place)).join(' > ');

/** What changes addresses, and what ends the way: `node-1 dnat 10.0.0.1:1 → 10.0.0.2:2`. */
export function changesOf(hops: readonly Hop[]): string[] {
  return hops.flatMap(({ place, events }) => events.flatMap((event) => describe(place, event)));
}

function describe(place: Place, event: HopEvent): string[] {
  if ('after' in event) return [`${formatPlace(place)} ${event.kind} ${formatTuple(event.after)}`];
  if (event.kind !== 'dropped' && event.kind !== 'rejected') return [];
  return [`${formatPlace(place)} ${event.kind} by ${event.cause.object}`];
}

/** `10.89.0.11:41684`, as the lab's page tells of whom it answered. */
export function clientInAnswer({ outcome }: Pick<Story, 'outcome'>): string | undefined {
  return /^client +(\S+)/m.exec(outcome?.answer ?? '')?.[1];
}

export const sourceOf = ({ source, sourcePort }: Tuple): string => `${source}:${sourcePort}`;
