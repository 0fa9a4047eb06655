import { type ChainWalk, TRACE_TABLE, type TracedRule } from '../../kernel/nft-trace.ts';
import { formatPlace, type Tuple } from '../model.ts';
import type { Evidence, Seen } from '../observe.ts';
import type { SeenHop } from './hops.ts';
import { tupleOf } from './tracks.ts';

/** A rule that a packet met in a place. */
export type MetRule = TracedRule & { readonly table: string };

/** What the rules of a place did with a packet. */
export interface MetRules {
  /** The place's rules were traced: what is not here did not match. */
  readonly traced: boolean;
  readonly rules: readonly MetRule[];
  /** The rule that ended it; the last of a chain where its policy did. */
  readonly dropped?: MetRule;
}

const FLAG_BITS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16, U: 32 };

/** `sent` are the addresses with which it began there, if it did: rules see them before any interface does. */
export function rulesMet(evidence: Evidence, { place, seen: packets }: SeenHop, sent: Tuple | undefined): MetRules {
  const here = formatPlace(place);
  const tuples = [...packets.flatMap(({ packet }) => tupleOf(packet) ?? []), ...(sent ? [sent] : [])];
  const walks = evidence.walks
    .filter(({ place: at, walk }) => formatPlace(at) === here && packets.some((seen) => isOf(walk, seen)))
    // Between DNAT and SNAT a packet has addresses that no interface sees, but never both of somebody else's.
    .filter(({ walk }) =>
      tuples.some((each) =>
        [each.source, each.destination].some((own) => own === walk.packet.source || own === walk.packet.destination),
      ),
    )
    .map(({ walk }) => walk);
  return {
    traced: walks.length > 0,
    rules: walks.filter((walk) => !walk.table.endsWith(` ${TRACE_TABLE}`)).flatMap(rulesOf),
    dropped: walks.map(droppedBy).find((rule) => rule !== undefined),
  };
}

function isOf({ packet: traced }: ChainWalk, { packet, direction }: Seen): boolean {
  const flags = [...(packet.tcp?.flags ?? '')].reduce((sum, letter) => sum + (FLAG_BITS[letter] ?? 0), 0);
  const same = traced.id === packet.id && traced.length === packet.length && (traced.tcpFlags ?? 0) === flags;
  // A router takes one from it before the forward hook: so the stays of one packet in one place are told apart.
  return same && (traced.ttl === packet.ttl || (direction === 'in' && traced.ttl === packet.ttl - 1));
}

const rulesOf = ({ table, rules }: ChainWalk): MetRule[] => rules.map((rule) => ({ table, ...rule }));

/** A reset or an ICMP error that a rule sends shows as its verdict `drop`. */
function droppedBy({ table, chain, rules, verdict }: ChainWalk): MetRule | undefined {
  if (verdict !== 'drop') return undefined;
  const last = rules.at(-1);
  if (last && /^(drop|stolen)/.test(last.verdict)) return { table, ...last };
  return { table, chain, text: `policy ${verdict}`, handle: 0, verdict };
}
