import { Class, Flag, type Query, Rcode, Type } from './message.ts';
import type { NameKey } from './names.ts';
import { srvTargetAt } from './records.ts';
import { answerLimit, type Protocol, type ResponseWriter } from './response.ts';
import type { RecordSet, Zone } from './zone.ts';

/** Targets may lead from one ExternalName to the next; longer chains are a loop. */
const maxAliases = 8;
/** SRV targets whose addresses go with the answer. */
const maxAdditional = 16;

export type Answered =
  | { readonly kind: 'answer'; readonly bytes: Buffer; readonly rcode: number }
  /** The question is for an upstream. */
  | { readonly kind: 'elsewhere' }
  /** An ExternalName leads out of the zone: `chain` was followed, `target` is for an upstream. */
  | { readonly kind: 'alias'; readonly chain: readonly NameKey[]; readonly target: NameKey };

const elsewhere: Answered = { kind: 'elsewhere' };

/**
 * Answers from the zone alone, or says who has to be asked. With `as`, the name that was asked for is taken for an alias
 * of that one.
 */
export function answerFromZone(
  zone: Zone,
  writer: ResponseWriter,
  query: Query,
  protocol: Protocol,
  as: NameKey = query.name,
): Answered {
  if (query.edns && query.edns.version > 0) return refuse(writer, query, Rcode.BADVERS);
  if (query.class !== Class.IN && query.class !== Class.ANY) return refuse(writer, query, Rcode.REFUSED);
  if (query.type === Type.AXFR || query.type === Type.IXFR) return refuse(writer, query, Rcode.REFUSED);
  if (query.type === Type.OPT) return refuse(writer, query, Rcode.FORMERR);
  let name = as;
  let found = zone.lookup(name, query.type);
  if (found.kind === 'elsewhere') return elsewhere;
  const chain: NameKey[] = as === query.name ? [] : [query.name];
  while (found.kind === 'alias' && chain.length < maxAliases) {
    chain.push(name);
    name = found.target;
    found = zone.lookup(name, query.type);
  }
  if (found.kind === 'elsewhere') return { kind: 'alias', chain, target: name };
  begin(zone, writer, query, protocol, chain, name);
  if (found.kind === 'records') {
    writeSet(zone, writer, name, found);
    return finish(writer, Rcode.NOERROR);
  }
  if (found.kind === 'alias') return finish(writer, Rcode.SERVFAIL);
  writer.authority(zone.domain, Type.SOA, zone.ttl, zone.soa);
  return finish(writer, found.kind === 'nxdomain' ? Rcode.NXDOMAIN : Rcode.NOERROR);
}

function finish(writer: ResponseWriter, rcode: number): Answered & { kind: 'answer' } {
  return { kind: 'answer', bytes: writer.finish(rcode), rcode };
}

/** Header, question and the CNAME records that lead from the question to `last`. */
export function begin(
  zone: Zone,
  writer: ResponseWriter,
  query: Query,
  protocol: Protocol,
  chain: readonly NameKey[],
  last: NameKey,
): void {
  writer.begin(query, answerLimit(query, protocol));
  writer.flag(Flag.AA | Flag.RA);
  chain.forEach((alias, index) => {
    writer.answer(alias, Type.CNAME, zone.ttl, chain[index + 1] ?? last);
  });
}

function writeSet(zone: Zone, writer: ResponseWriter, name: NameKey, set: RecordSet): void {
  const { type, data } = set;
  if (data.length > 1) shuffle(data);
  const targets: number[] = [];
  for (const each of data) {
    if (!writer.answer(name, type, zone.ttl, each)) return;
    if (type === Type.SRV && targets.length < maxAdditional) targets.push(writer.position - each.length + srvTargetAt);
  }
  if (targets.length > 0) writeTargets(zone, writer, data, targets);
}

function writeTargets(zone: Zone, writer: ResponseWriter, data: readonly string[], positions: readonly number[]): void {
  const seen = new Set<NameKey>();
  for (const [index, position] of positions.entries()) {
    const target = (data[index] as string).slice(srvTargetAt);
    if (seen.has(target)) continue;
    seen.add(target);
    for (const type of [Type.A, Type.AAAA]) {
      const found = zone.lookup(target, type);
      if (found.kind !== 'records') continue;
      for (const each of found.data) writer.additional(position, type, zone.ttl, each);
    }
  }
}

/** In place: the order of a set means nothing, and every answer has its own. */
function shuffle(data: string[]): void {
  for (let i = data.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const swapped = data[i] as string;
    data[i] = data[j] as string;
    data[j] = swapped;
  }
}

/** A code and nothing else. */
export function refuse(writer: ResponseWriter, query: Query, rcode: number): Answered & { kind: 'answer' } {
  writer.begin(query, answerLimit(query, 'tcp'));
  writer.flag(Flag.RA);
  return finish(writer, rcode);
}
