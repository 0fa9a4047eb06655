import type { Kind } from '../api/kind.ts';
import { METRICS_GROUP } from '../api/kinds/metrics.ts';
import type { RequestInfo, ResourceTarget } from './request.ts';

/** The kinds that are served, by the names in paths. */
export class KindTable {
  readonly #kinds = new Map<string, Kind>();
  readonly #retired = new Map<Kind, Set<() => void>>();
  /** Raised by every change. */
  revision = 0;

  constructor(kinds: readonly Kind[]) {
    for (const kind of kinds) this.#kinds.set(keyOf(kind), kind);
  }

  /** Takes kinds away and brings others, as one change. Who uses one that goes is told. */
  replace(gone: readonly Kind[], come: readonly Kind[]): void {
    this.revision++;
    for (const kind of gone) if (this.#kinds.get(keyOf(kind)) === kind) this.#kinds.delete(keyOf(kind));
    for (const kind of come) this.#kinds.set(keyOf(kind), kind);
    for (const kind of gone) {
      for (const tell of this.#retired.get(kind) ?? []) tell();
      this.#retired.delete(kind);
    }
  }

  /** Calls `tell` when the kind is no longer served as it is; built-in kinds always are. */
  onRetired(kind: Kind, tell: () => void): () => void {
    if (!kind.schema) return () => undefined;
    const told = this.#retired.get(kind) ?? new Set();
    this.#retired.set(kind, told.add(tell));
    return () => told.delete(tell);
  }

  get all(): readonly Kind[] {
    return [...this.#kinds.values()];
  }

  /** Groups other than core: those of built-in kinds in the order in which they came, then the others by name. */
  get groups(): readonly string[] {
    const named = (kinds: readonly Kind[]) => kinds.map((kind) => kind.group).filter((group) => group !== '');
    const builtIn = named(this.all.filter((kind) => !kind.schema));
    return [...new Set([...builtIn, ...named(this.all).sort()])];
  }

  /** The preferred version first. */
  versions(group: string): readonly string[] {
    const kinds = this.all.filter((kind) => kind.group === group);
    const builtIn = new Set(kinds.filter((kind) => !kind.schema).map((kind) => kind.version));
    const others = new Set(kinds.map((kind) => kind.version).filter((version) => !builtIn.has(version)));
    return [...builtIn, ...[...others].sort(compareVersions)];
  }

  inGroupVersion(group: string, version: string): readonly Kind[] {
    const kinds = this.all.filter((kind) => kind.group === group && kind.version === version);
    const custom = kinds.filter((kind) => kind.schema).sort((a, b) => (a.plural < b.plural ? -1 : 1));
    return [...kinds.filter((kind) => !kind.schema), ...custom];
  }

  find(target: Pick<ResourceTarget, 'group' | 'version' | 'plural'>): Kind | undefined {
    return this.#kinds.get(keyOf(target));
  }

  /** The kind of a stored form. */
  byPlural(group: string, plural: string): Kind | undefined {
    return this.all.find((kind) => kind.group === group && kind.plural === plural && !kind.storedAs);
  }
}

const keyOf = ({ group, version, plural }: Pick<ResourceTarget, 'group' | 'version' | 'plural'>) =>
  `${group}/${version}/${plural}`;

/** Whether a kind's objects have a form in protobuf: those of definitions have none, nor have measured ones. */
export const hasProtobuf = ({ schema, group }: Kind): boolean => schema === undefined && group !== METRICS_GROUP;

const stability = { alpha: 1, beta: 2, '': 3 };

/** Kubernetes' order of versions: `v2`, `v1`, `v1beta2`, `v1alpha1`, and what has another form by name. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(text));
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : 1;
  const ranks = [left, right].map(([, major, stage = '', minor = '0']) => [
    stability[stage as keyof typeof stability],
    Number(major),
    Number(minor),
  ]);
  for (let index = 0; index < 3; index++) {
    const difference = (ranks[1]?.[index] ?? 0) - (ranks[0]?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

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

const allVerbsOf = (kind: Kind): readonly string[] => kind.verbs ?? allVerbs;

/** What discovery tells of: nobody is invited to write objects of a kind that goes. */
export const verbsOf = (kind: Kind): readonly string[] =>
  kind.refusesCreate ? allVerbs.filter((verb) => !['create', 'patch', 'update'].includes(verb)) : allVerbsOf(kind);

/** Whether the kind's path offers the verb, its subresources included. */
export function offers(kind: Kind, info: RequestInfo, target: ResourceTarget): boolean {
  if (target.subresource === '') return isWhole(info, target) && allVerbsOf(kind).includes(info.verb);
  if (target.subresource === 'status') return kind.hasStatus && ['get', 'update', 'patch'].includes(info.verb);
  if (target.subresource === 'scale') return kind.scale !== undefined && ['get', 'update', 'patch'].includes(info.verb);
  const found = kind.subresources.find((subresource) => subresource.name === target.subresource);
  return found?.verbs.includes(info.verb) ?? false;
}

/** Cluster-wide objects are in no namespace, and a namespaced one is named in its own. */
export const isInScope = (kind: Kind, { namespace, name }: ResourceTarget): boolean =>
  kind.namespaced ? namespace !== '' || name === '' : namespace === '';

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
