import type { Hop, Sighting } from '../model.ts';
import type { Report, Story } from '../story.ts';

/**
 * A report for programs: the values of `story.ts` without captured bytes. Each sighting has `ns`, the time since the
 * story's first packet; the story has `startedAt` (RFC 3339, with nanoseconds).
 */
export function toJson(report: Report): object {
  const { lookup, stories, ...rest } = report;
  return {
    ...rest,
    ...(lookup ? { lookup: { ...lookup, ...(lookup.story ? { story: storyJson(lookup.story) } : {}) } } : {}),
    stories: stories.map(storyJson),
  };
}

function storyJson({ packets: _, request, reply, behind, ...story }: Story): object {
  const start = request[0]?.out?.at ?? request[0]?.in?.at ?? 0n;
  return {
    ...story,
    startedAt: formatTime(start),
    request: request.map((hop) => hopJson(hop, start)),
    reply: reply.map((hop) => hopJson(hop, start)),
    ...(behind ? { behind: { ...behind, story: storyJson(behind.story) } } : {}),
  };
}

function hopJson(hop: Hop, start: bigint): object {
  const { in: comes, out: leaves, ...rest } = hop;
  return {
    ...rest,
    ...(comes ? { in: sightingJson(comes, start) } : {}),
    ...(leaves ? { out: sightingJson(leaves, start) } : {}),
  };
}

function sightingJson({ at, ...sighting }: Sighting, start: bigint): object {
  return at === undefined ? sighting : { ...sighting, ns: Number(at - start) };
}

/** `2026-11-23T03:55:33.305605123Z` */
export function formatTime(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`;
}
