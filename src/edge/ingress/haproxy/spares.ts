import type { BackendPlan } from '../plan.ts';
import type { Frame } from './config.ts';

/** So many backends can come before a reload is needed. */
const count = 20;

/** Backends that stand in the configuration without servers, for those that come between two reloads. */
export const spareNames: readonly string[] = Array.from({ length: count }, (_, index) => `spare-${index + 1}`);

/** By what name HAProxy knows a backend, where that is another than its own. */
export type Aliases = ReadonlyMap<string, string>;

/**
 * Gives spare backends to those that are not in the configuration yet and differ from a spare by nothing but their
 * name. A spare is given once: what it had may still have connections. Undefined where a reload is needed anyway.
 */
export function giveSpares(given: Aliases, held: Frame, backends: Iterable<BackendPlan>): Aliases | undefined {
  const aliases = new Map(given);
  const free = spareNames.filter((name) => ![...given.values()].includes(name));
  for (const { name, policy } of backends) {
    if (held.has(`backend ${name}`) || aliases.has(name)) continue;
    const spare = free.shift();
    if (spare === undefined || Object.values(policy).some((value) => value !== undefined)) return undefined;
    aliases.set(name, spare);
  }
  return aliases;
}
