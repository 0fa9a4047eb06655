import type { FlowSchema, PriorityLevelConfiguration } from '../../api/types.ts';
import { coversPath, includes } from '../auth/patterns.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import type { RequestInfo, User } from '../request.ts';
import { flowSchemas, priorityLevels } from './resources.ts';

type Rule = NonNullable<NonNullable<FlowSchema['spec']>['rules']>[number];

/** Requests of one flow share what a client may use at once. */
export interface Flow {
  readonly name: string;
  readonly level: Level;
  /** What Kubernetes tells the client of it. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Level {
  readonly name: string;
  /** Requests that may be under way at once; those of an exempt level have no limit. */
  readonly seats: number;
  /** Requests of a flow that may wait for a seat. */
  readonly waiting: number;
}

/** Seats of all priority levels together, as Kubernetes' default (400 reading and 200 writing). */
const SEATS = 600;
/** What is remembered of users that are still there: beyond it all is forgotten. */
const REMEMBERED = 10_000;

/** Says to which flow a request belongs, by the FlowSchemas and PriorityLevelConfigurations of the cluster. */
export class FlowClassifier {
  readonly #cache: WatchCache;
  #revision = -1;
  #schemas: readonly FlowSchema[] = [];
  #levels: ReadonlyMap<string, { readonly level: Level; readonly uid: string }> = new Map();
  #known = new WeakMap<User, Map<string, Flow>>();
  #remembered = 0;

  constructor(cache: WatchCache) {
    this.#cache = cache;
  }

  flowOf(user: User, info: RequestInfo): Flow | undefined {
    this.#refresh();
    const { resource } = info;
    const what = resource
      ? `${resource.group}/${resource.plural}/${resource.subresource} ${resource.namespace}`
      : info.path;
    const key = `${info.verb} ${what}`;
    const known = this.#known.get(user)?.get(key);
    if (known) return known;
    const flow = this.#classify(user, info);
    if (flow) this.#remember(user, key, flow);
    return flow;
  }

  get levels(): Level[] {
    this.#refresh();
    return [...this.#levels.values()].map(({ level }) => level);
  }

  #remember(user: User, key: string, flow: Flow): void {
    if (this.#remembered >= REMEMBERED) this.#forget();
    this.#remembered++;
    const flows = this.#known.get(user) ?? new Map<string, Flow>();
    this.#known.set(user, flows.set(key, flow));
  }

  #forget(): void {
    this.#known = new WeakMap();
    this.#remembered = 0;
  }

  #classify(user: User, info: RequestInfo): Flow | undefined {
    for (const { metadata, spec } of this.#schemas) {
      const found = this.#levels.get(spec?.priorityLevelConfiguration?.name ?? '');
      if (!found || !spec?.rules?.some((rule) => matches(rule, user, info))) continue;
      const { type } = spec.distinguisherMethod ?? {};
      const whose = type === 'ByUser' ? user.name : type === 'ByNamespace' ? (info.resource?.namespace ?? '') : '';
      return {
        name: `${metadata?.name}/${whose}`,
        level: found.level,
        headers: {
          'x-kubernetes-pf-flowschema-uid': metadata?.uid ?? '',
          'x-kubernetes-pf-prioritylevel-uid': found.uid,
        },
      };
    }
    return undefined;
  }

  #refresh(): void {
    const [schemas, levels] = [this.#cache.resource(flowSchemas), this.#cache.resource(priorityLevels)];
    const changed = Math.max(schemas.changed, levels.changed);
    if (changed === this.#revision) return;
    this.#revision = changed;
    this.#forget();
    this.#schemas = schemas
      .list()
      .map((object) => object.parse<FlowSchema>())
      .toSorted((a, b) => precedence(a) - precedence(b) || (nameOf(a) < nameOf(b) ? -1 : 1));
    this.#levels = levelsOf(levels.list().map((object) => object.parse<PriorityLevelConfiguration>()));
  }
}

const precedence = ({ spec }: FlowSchema): number => spec?.matchingPrecedence ?? 0;
const nameOf = ({ metadata }: FlowSchema): string => metadata?.name ?? '';

/** Each level's part of all seats is that of its shares. */
function levelsOf(levels: readonly PriorityLevelConfiguration[]) {
  const sharesOf = ({ spec }: PriorityLevelConfiguration) => spec?.limited?.nominalConcurrencyShares ?? 0;
  const all = levels.reduce((sum, level) => sum + sharesOf(level), 0);
  return new Map(
    levels.map((each) => {
      const name = each.metadata?.name ?? '';
      const { type, limited } = each.spec ?? {};
      const { queuing } = limited?.limitResponse ?? {};
      const level: Level =
        type === 'Limited'
          ? {
              name,
              seats: Math.ceil((SEATS * sharesOf(each)) / Math.max(all, 1)),
              waiting: (queuing?.queueLengthLimit ?? 0) * (queuing?.handSize ?? 0),
            }
          : { name, seats: Number.POSITIVE_INFINITY, waiting: Number.POSITIVE_INFINITY };
      return [name, { level, uid: each.metadata?.uid ?? '' }];
    }),
  );
}

function matches(rule: Rule, user: User, { verb, path, resource }: RequestInfo): boolean {
  if (!rule.subjects.some((subject) => isSubject(subject, user))) return false;
  if (!resource) {
    return (rule.nonResourceRules ?? []).some(
      (each) => includes(each.verbs, verb) && each.nonResourceURLs.some((pattern) => coversPath(pattern, path)),
    );
  }
  const plural = resource.subresource === '' ? resource.plural : `${resource.plural}/${resource.subresource}`;
  return (rule.resourceRules ?? []).some(
    (each) =>
      includes(each.verbs, verb) &&
      includes(each.apiGroups, resource.group) &&
      includes(each.resources, plural) &&
      (resource.namespace === '' ? each.clusterScope === true : includes(each.namespaces, resource.namespace)),
  );
}

function isSubject({ kind, user, group, serviceAccount }: Rule['subjects'][number], asking: User): boolean {
  switch (kind) {
    case 'User':
      return user?.name === '*' || user?.name === asking.name;
    case 'Group':
      return group?.name === '*' || asking.groups.includes(group?.name ?? '');
    case 'ServiceAccount': {
      const prefix = `system:serviceaccount:${serviceAccount?.namespace}:`;
      return serviceAccount?.name === '*'
        ? asking.name.startsWith(prefix)
        : asking.name === prefix + serviceAccount?.name;
    }
    default:
      return false;
  }
}
