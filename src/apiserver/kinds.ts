import type { Kind } from '../api/kind.ts';
import type { RequestInfo, ResourceTarget } from './request.ts';

/** The kinds that are served, by the names in paths. */
export class KindTable {
  readonly #kinds = new Map<string, Kind>();

  constructor(kinds: readonly Kind[]) {
    for (const kind of kinds) this.add(kind);
  }

  add(kind: Kind): void {
    this.#kinds.set(keyOf(kind.group, kind.version, kind.plural), kind);
  }

  get all(): readonly Kind[] {
    return [...this.#kinds.values()];
  }

  /** Groups other than core, in the order in which they came. */
  get groups(): readonly string[] {
    return [...new Set(this.all.map((kind) => kind.group))].filter((group) => group !== '');
  }

  versions(group: string): readonly string[] {
    return [...new Set(this.all.filter((kind) => kind.group === group).map((kind) => kind.version))];
  }

  inGroupVersion(group: string, version: string): readonly Kind[] {
    return this.all.filter((kind) => kind.group === group && kind.version === version);
  }

  find(target: Pick<ResourceTarget, 'group' | 'version' | 'plural'>): Kind | undefined {
    return this.#kinds.get(keyOf(target.group, target.version, target.plural));
  }

  /** The kind of a stored form. */
  byPlural(group: string, plural: string): Kind | undefined {
    return this.all.find((kind) => kind.group === group && kind.plural === plural && !kind.storedAs);
  }
}

const keyOf = (group: string, version: string, plural: string) => `${group}/${version}/${plural}`;

export const allVerbs: readonly string[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

export const verbsOf = (kind: Kind): readonly string[] => kind.verbs ?? allVerbs;

/** Whether the kind's path offers the verb, its subresources included. */
export function offers(kind: Kind, info: RequestInfo, target: ResourceTarget): boolean {
  if (target.subresource === '') return isWhole(info, target) && verbsOf(kind).includes(info.verb);
  if (target.subresource === 'status') return kind.hasStatus && ['get', 'update', 'patch'].includes(info.verb);
  if (target.subresource === 'scale') return kind.scale !== undefined && ['get', 'update', 'patch'].includes(info.verb);
  const found = kind.subresources.find((subresource) => subresource.name === target.subresource);
  return found?.verbs.includes(info.verb) ?? false;
}

/** A collection takes POST; PUT and PATCH are for one object. */
function isWhole({ verb }: RequestInfo, { name }: ResourceTarget): boolean {
  if (verb === 'create') return name === '';
  return name !== '' || (verb !== 'update' && verb !== 'patch');
}

/** Whether there is such a subresource at all. */
export function hasSubresource(kind: Kind, name: string): boolean {
  if (name === '') return true;
  if (name === 'status') return kind.hasStatus;
  if (name === 'scale') return kind.scale !== undefined;
  return kind.subresources.some((subresource) => subresource.name === name);
}
