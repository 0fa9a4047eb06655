import type { Kind, Subresource } from '../kind.ts';
import type { GroupVersionKind } from './schemas.ts';

/** One request that a path takes, before it is written in either version of OpenAPI. */
export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly operationId: string;
  readonly description: string;
  /** `x-kubernetes-action`: `list`, `post`, `patch` … */
  readonly action: string;
  readonly kind: GroupVersionKind;
  readonly query: readonly QueryParameter[];
  /** Definition of the body, where there is one. */
  readonly body?: string;
  /** Of a kind that was defined at run time. */
  readonly isCustom: boolean;
  /** Definition of the answer, where it is JSON. */
  readonly answer?: string;
}

export interface Path {
  readonly path: string;
  /** `name`, `namespace` */
  readonly parameters: readonly string[];
  readonly operations: readonly Operation[];
}

export interface QueryParameter {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
}

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
export const patchDefinition = `${meta}.Patch`;
export const deleteOptionsDefinition = `${meta}.DeleteOptions`;
export const statusDefinition = `${meta}.Status`;

const query = (name: string, type: QueryParameter['type'], description: string): QueryParameter => ({
  name,
  type,
  description,
});

const dryRun = query('dryRun', 'string', 'All: go through everything, and keep nothing.');
const fieldManager = query('fieldManager', 'string', 'The name of who makes this change.');
const fieldValidation = query(
  'fieldValidation',
  'string',
  'What to do about unknown and duplicate fields: Ignore, Warn or Strict.',
);
const force = query('force', 'boolean', 'Take fields over from other managers (apply patches only).');
const writing = [dryRun, fieldManager, fieldValidation];
const selecting = [
  query('labelSelector', 'string', 'Only objects whose labels match.'),
  query('fieldSelector', 'string', 'Only objects whose fields match.'),
  query('limit', 'integer', 'At most so many objects; the answer says how to go on.'),
  query('continue', 'string', 'Where the last list ended.'),
  query('resourceVersion', 'string', 'Not older than, or watch from, this version.'),
  query('resourceVersionMatch', 'string', 'How resourceVersion is meant: NotOlderThan or Exact.'),
  query('timeoutSeconds', 'integer', 'How long a list or watch may take.'),
  query('watch', 'boolean', 'Changes as they come instead of a list.'),
  query('allowWatchBookmarks', 'boolean', 'Bookmarks among the events of a watch.'),
  query('sendInitialEvents', 'boolean', 'Begin a watch with what there is.'),
];
const deleting = [
  dryRun,
  query('gracePeriodSeconds', 'integer', 'Seconds that the object has to end.'),
  query('propagationPolicy', 'string', 'What becomes of dependents: Orphan, Background or Foreground.'),
  query('orphanDependents', 'boolean', 'Deprecated: use propagationPolicy.'),
];

const allVerbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];

/** Definition of a subresource's body by its kind; `undefined` where the schema has none. */
export type FindDefinition = (kind: GroupVersionKind) => string | undefined;

/** All paths that a kind is served at. */
export function pathsOf(kind: Kind, find: FindDefinition): Path[] {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const base = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
  const scope = kind.namespaced ? ['namespace'] : [];
  const namedScope = ['name', ...scope];
  const paths: Path[] = [
    { path: base, parameters: scope, operations: collectionOperations(kind) },
    { path: `${base}/{name}`, parameters: namedScope, operations: objectOperations(kind, kind.definition, '') },
    ...subresourcesOf(kind).map((subresource) => ({
      path: `${base}/{name}/${subresource.name}`,
      parameters: namedScope,
      operations: subresourceOperations(kind, subresource, find),
    })),
  ];
  if (kind.namespaced && verbsOf(kind).includes('list')) {
    paths.push({
      path: `${root}/${kind.plural}`,
      parameters: [],
      operations: [listOperation(kind, 'ForAllNamespaces')],
    });
  }
  return paths.filter(({ operations }) => operations.length > 0);
}

const verbsOf = (kind: Kind): readonly string[] => kind.verbs ?? allVerbs;

function subresourcesOf(kind: Kind): Subresource[] {
  const verbs = ['get', 'patch', 'update'];
  const listed = new Set(kind.subresources.map(({ name }) => name));
  const implied: Subresource[] = [];
  if (kind.hasStatus)
    implied.push({ name: 'status', kind: kind.kind, group: kind.group, version: kind.version, verbs });
  if (kind.scale) implied.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs });
  return [...kind.subresources, ...implied.filter(({ name }) => !listed.has(name))];
}

const kindOf = ({ group, version, kind }: Kind): GroupVersionKind => ({ group, version, kind });

function collectionOperations(kind: Kind): Operation[] {
  const verbs = verbsOf(kind);
  const operations: Operation[] = [];
  if (verbs.includes('list')) operations.push(listOperation(kind, ''));
  if (verbs.includes('create')) {
    operations.push({
      ...about(kind, 'post', 'create', ''),
      description: `create a ${kind.kind}`,
      query: writing,
      body: kind.definition,
      answer: kind.definition,
    });
  }
  if (verbs.includes('deletecollection')) {
    operations.push({
      ...about(kind, 'delete', 'deleteCollection', ''),
      action: 'deletecollection',
      description: `delete collection of ${kind.kind}`,
      query: [...deleting, ...selecting],
      body: deleteOptionsDefinition,
      answer: statusDefinition,
    });
  }
  return operations;
}

function listOperation(kind: Kind, suffix: string): Operation {
  return {
    ...about(kind, 'get', 'list', suffix),
    action: 'list',
    description: `list or watch objects of kind ${kind.kind}`,
    query: selecting,
    answer: listDefinition(kind),
  };
}

/** Definitions of lists are named like their kinds', with `List` behind. */
export function listDefinition(kind: Kind): string {
  return kind.definition.replace(/[^.]+$/, kind.listKind);
}

function objectOperations(kind: Kind, definition: string | undefined, suffix: string, of = kindOf(kind)): Operation[] {
  return verbsOf(kind).flatMap((verb) => objectOperation(kind, verb, definition, suffix, of));
}

function objectOperation(
  kind: Kind,
  verb: string,
  definition: string | undefined,
  suffix: string,
  of: GroupVersionKind,
): Operation[] {
  const part = suffix === '' ? 'the specified' : `${suffix.toLowerCase()} of the specified`;
  const whole = { answer: definition, kind: of };
  switch (verb) {
    case 'get':
      return [{ ...about(kind, 'get', 'read', suffix), description: `read ${part} ${kind.kind}`, query: [], ...whole }];
    case 'update':
      return [
        {
          ...about(kind, 'put', 'replace', suffix),
          description: `replace ${part} ${kind.kind}`,
          query: writing,
          body: definition,
          ...whole,
        },
      ];
    case 'patch':
      return [
        {
          ...about(kind, 'patch', 'patch', suffix),
          description: `partially update ${part} ${kind.kind}`,
          query: [...writing, force],
          body: patchDefinition,
          ...whole,
        },
      ];
    case 'delete':
      return [
        {
          ...about(kind, 'delete', 'delete', suffix),
          description: `delete a ${kind.kind}`,
          query: deleting,
          body: deleteOptionsDefinition,
          answer: statusDefinition,
        },
      ];
    default:
      return [];
  }
}

function subresourceOperations(kind: Kind, subresource: Subresource, find: FindDefinition): Operation[] {
  const of = {
    group: subresource.group ?? kind.group,
    version: subresource.version ?? kind.version,
    kind: subresource.kind,
  };
  if (isStream(subresource)) return connectOperations(kind, subresource, of);
  const definition = find(of);
  const suffix = capital(subresource.name);
  return subresource.verbs.flatMap((verb) => {
    if (verb !== 'create') return objectOperation(kind, verb, definition, suffix, of);
    return [
      {
        ...about(kind, 'post', 'create', suffix),
        description: `create ${subresource.name} of a ${kind.kind}`,
        kind: of,
        query: writing,
        body: definition,
        answer: definition,
      },
    ];
  });
}

/** Logs, exec, port-forward, proxies: what goes through them is no object. */
const isStream = (subresource: Subresource): boolean =>
  subresource.name === 'log' || subresource.kind.endsWith('Options');

function connectOperations(kind: Kind, { name, verbs }: Subresource, of: GroupVersionKind): Operation[] {
  const methods = { get: 'get', create: 'post' } as const;
  return (['get', 'create'] as const)
    .filter((verb) => verbs.includes(verb))
    .map((verb) => ({
      ...about(kind, methods[verb], `connect${capital(methods[verb])}`, capital(name)),
      action: name === 'log' ? 'get' : 'connect',
      kind: of,
      description: `connect to ${name} of the specified ${kind.kind}`,
      query: [],
    }));
}

/** What follows from the names alone: `readNamespacedPodStatus` in `CoreV1`. */
function about(kind: Kind, method: Operation['method'], verb: string, suffix: string) {
  const parts = kind.group.split('.');
  const group = kind.schema ? parts.map(capital).join('') : parts[0] || 'core';
  const scope = kind.namespaced && suffix !== 'ForAllNamespaces' ? 'Namespaced' : '';
  return {
    method,
    operationId: `${verb}${capital(group)}${capital(kind.version)}${scope}${kind.kind}${suffix}`,
    action: method,
    kind: kindOf(kind),
    isCustom: kind.schema !== undefined,
  };
}

const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
