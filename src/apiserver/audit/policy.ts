import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { KnitError, messageOf } from '../../base/errors.ts';
import { coversPath } from '../auth/patterns.ts';
import type { RequestInfo, User } from '../request.ts';

export const levels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;

export type Level = (typeof levels)[number];
export type Stage = (typeof stages)[number];

/** What is written of a request. */
export interface Extent {
  readonly level: Level;
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

/** audit.k8s.io/v1 PolicyRule. An empty list stands for all. */
interface Rule {
  readonly level: Level;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly resources?: readonly {
    readonly group?: string;
    readonly resources?: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly Stage[];
  readonly omitManagedFields?: boolean;
}

interface Policy {
  readonly rules: readonly Rule[];
  readonly omitStages?: readonly Stage[];
  readonly omitManagedFields?: boolean;
}

/** What to write of a request: the first rule that matches says it, none is `None`. */
export type ExtentOf = (user: User, info: RequestInfo) => Extent;

/**
 * Reads an audit.k8s.io/v1 Policy.
 *
 * @throws KnitError `AUDIT_POLICY_INVALID` that names what is wrong
 */
export function readAuditPolicy(path: string): ExtentOf {
  try {
    const policy = parse(readFileSync(path, 'utf8')) as Partial<Policy> & { kind?: string };
    return extentsOf(checked(policy ?? {}));
  } catch (error) {
    const hint = 'see kubernetes.io/docs/tasks/debug/debug-cluster/audit';
    throw new KnitError('AUDIT_POLICY_INVALID', `${path}: ${messageOf(error)}`, hint);
  }
}

function checked({ kind, rules, ...rest }: Partial<Policy> & { kind?: string }): Policy {
  if (kind !== 'Policy') throw new Error(`kind: ${kind}: must be Policy (audit.k8s.io/v1)`);
  if (!Array.isArray(rules) || rules.length === 0) throw new Error('rules: must be a list that is not empty');
  for (const [i, { level, resources, nonResourceURLs }] of (rules as readonly Rule[]).entries()) {
    if (!levels.includes(level)) throw new Error(`rules[${i}].level: ${level}: must be one of ${levels.join(', ')}`);
    if (resources?.length && nonResourceURLs?.length) {
      throw new Error(`rules[${i}]: rules cannot apply to both regular resources and non-resource URLs`);
    }
  }
  for (const stage of [rest, ...rules].flatMap(({ omitStages = [] }) => omitStages)) {
    if (!stages.includes(stage)) throw new Error(`omitStages: ${stage}: must be one of ${stages.join(', ')}`);
  }
  return { ...rest, rules };
}

function extentsOf({ rules, omitStages = [], omitManagedFields = false }: Policy): ExtentOf {
  const nothing: Extent = { level: 'None', omitStages: new Set(), omitManagedFields };
  const extents = rules.map((rule) => ({
    rule,
    extent: {
      level: rule.level,
      omitStages: new Set([...omitStages, ...(rule.omitStages ?? [])]),
      omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
    },
  }));
  return (user, info) => extents.find(({ rule }) => matches(rule, user, info))?.extent ?? nothing;
}

function matches(rule: Rule, user: User, { verb, path, resource }: RequestInfo): boolean {
  if (!isOneOf(rule.users, user.name) || !isOneOf(rule.verbs, verb)) return false;
  if (rule.userGroups?.length && !user.groups.some((group) => rule.userGroups?.includes(group))) return false;
  if (!resource) {
    if (rule.resources?.length || rule.namespaces?.length) return false;
    return !rule.nonResourceURLs?.length || rule.nonResourceURLs.some((pattern) => coversPath(pattern, path));
  }
  if (rule.nonResourceURLs?.length || !isOneOf(rule.namespaces, resource.namespace)) return false;
  if (!rule.resources?.length) return true;
  return rule.resources.some(
    ({ group = '', resources, resourceNames }) =>
      group === resource.group &&
      (!resources?.length || resources.some((each) => coversResource(each, resource.plural, resource.subresource))) &&
      isOneOf(resourceNames, resource.name),
  );
}

const isOneOf = (list: readonly string[] | undefined, value: string) => !list?.length || list.includes(value);

/** `pods` is not `pods/log`; `pods/*`, `*` before `/log` and `*` are what they look like. */
function coversResource(pattern: string, plural: string, subresource: string): boolean {
  if (pattern === '*') return true;
  const [name, sub = ''] = pattern.split('/');
  return (name === '*' || name === plural) && (sub === '*' ? subresource !== '' : sub === subresource);
}
