import { KnitError, messageOf } from '../base/errors.ts';

/** Size of a cluster, as the autoscaler sees it. */
export interface ClusterSize {
  readonly nodes: number;
  /** Sum of what nodes can give to pods; 0.5 where one gives 500m. */
  readonly cores: number;
}

export interface ClusterSizes {
  readonly all: ClusterSize;
  /** Without nodes that are cordoned. */
  readonly schedulable: ClusterSize;
}

/** How replicas follow the cluster's size: the two modes of cluster-proportional-autoscaler, with its names. */
export type Scaling =
  | {
      readonly mode: 'linear';
      readonly coresPerReplica: number | undefined;
      readonly nodesPerReplica: number | undefined;
      readonly min: number;
      readonly max: number;
      readonly preventSinglePointFailure: boolean;
      readonly includeUnschedulableNodes: boolean;
    }
  | { readonly mode: 'ladder'; readonly coresToReplicas: readonly Step[]; readonly nodesToReplicas: readonly Step[] };

/** From so many cores or nodes on, so many replicas. */
export type Step = readonly [from: number, replicas: number];

/** How many replicas a cluster of this size should have. */
export function replicasFor(scaling: Scaling, sizes: ClusterSizes): number {
  if (scaling.mode === 'ladder') {
    const { nodes, cores } = sizes.schedulable;
    return Math.max(climb(scaling.coresToReplicas, cores), climb(scaling.nodesToReplicas, nodes));
  }
  const { nodes, cores } = scaling.includeUnschedulableNodes ? sizes.all : sizes.schedulable;
  const wanted = Math.max(share(cores, scaling.coresPerReplica), share(nodes, scaling.nodesPerReplica));
  const bounded = Math.max(scaling.min, Math.min(scaling.max, wanted));
  // Two replicas are worth more than a maximum of one: the real one has this order too.
  return scaling.preventSinglePointFailure && nodes > 1 ? Math.max(2, bounded) : bounded;
}

function share(amount: number, perReplica: number | undefined): number {
  return perReplica === undefined ? 0 : Math.ceil(amount / perReplica);
}

/** The last step that was reached; the first where none was. A ladder without steps has no say. */
function climb(steps: readonly Step[], amount: number): number {
  const reached = steps.findLast(([from]) => from <= amount) ?? steps[0];
  return reached?.[1] ?? 0;
}

/**
 * Reads the config map's data: one key, `linear` or `ladder`, whose value is JSON. Throws {@link KnitError}
 * `SCALING_INVALID` that names the field.
 */
export function parseScaling(data: Readonly<Record<string, string>> | undefined): Scaling {
  const modes = Object.entries(data ?? {});
  const [mode, text] = modes[0] ?? [];
  if (modes.length !== 1 || (mode !== 'linear' && mode !== 'ladder')) {
    const names = modes.map(([name]) => name).join(', ') || 'none';
    throw invalid(`it must have one key, linear or ladder; it has: ${names}`);
  }
  const fields = fieldsOf(mode, text ?? '');
  return mode === 'linear' ? parseLinear(fields) : parseLadder(fields);
}

type Fields = Readonly<Record<string, unknown>>;

const known = {
  linear: [
    'coresPerReplica',
    'nodesPerReplica',
    'min',
    'max',
    'preventSinglePointFailure',
    'includeUnschedulableNodes',
  ],
  ladder: ['coresToReplicas', 'nodesToReplicas'],
} as const;

function fieldsOf(mode: keyof typeof known, text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`${mode} is no JSON: ${messageOf(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${mode} must be an object`);
  const unknownField = Object.keys(value).find((field) => !(known[mode] as readonly string[]).includes(field));
  if (unknownField) throw invalid(`${mode}.${unknownField}: unknown field; there are: ${known[mode].join(', ')}`);
  return value as Fields;
}

function parseLinear(fields: Fields): Scaling {
  const coresPerReplica = numberOf(fields, 'coresPerReplica');
  const nodesPerReplica = numberOf(fields, 'nodesPerReplica');
  if (!coresPerReplica && !nodesPerReplica)
    throw invalid('linear: coresPerReplica or nodesPerReplica must be greater than 0');
  const min = Math.max(1, numberOf(fields, 'min', Number.isInteger) ?? 1);
  // As with the real one, 0 is no limit.
  const max = numberOf(fields, 'max', Number.isInteger) || Number.POSITIVE_INFINITY;
  if (max < min) throw invalid(`linear: max ${max} is less than min ${min}`);
  return {
    mode: 'linear',
    coresPerReplica: coresPerReplica || undefined,
    nodesPerReplica: nodesPerReplica || undefined,
    min,
    max,
    preventSinglePointFailure: flagOf(fields, 'preventSinglePointFailure'),
    includeUnschedulableNodes: flagOf(fields, 'includeUnschedulableNodes'),
  };
}

function parseLadder(fields: Fields): Scaling {
  const coresToReplicas = stepsOf(fields, 'coresToReplicas');
  const nodesToReplicas = stepsOf(fields, 'nodesToReplicas');
  if (coresToReplicas.length + nodesToReplicas.length === 0)
    throw invalid('ladder: coresToReplicas or nodesToReplicas must have a step');
  return { mode: 'ladder', coresToReplicas, nodesToReplicas };
}

function numberOf(fields: Fields, field: string, also: (value: number) => boolean = () => true): number | undefined {
  const value = fields[field];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value >= 0 && Number.isFinite(value) && also(value)) return value;
  const kind = also === Number.isInteger ? 'a whole number' : 'a number';
  throw invalid(`linear.${field}: ${JSON.stringify(value)} must be ${kind}, 0 or greater`);
}

function flagOf(fields: Fields, field: string): boolean {
  const value = fields[field] ?? false;
  if (typeof value === 'boolean') return value;
  throw invalid(`linear.${field}: ${JSON.stringify(value)} must be true or false`);
}

/** In rising order. */
function stepsOf(fields: Fields, field: string): Step[] {
  const value = fields[field] ?? [];
  if (!Array.isArray(value)) throw invalid(`ladder.${field} must be a list of pairs`);
  const steps = value.map((step: unknown): Step => {
    const whole = (each: unknown) => Number.isInteger(each) && (each as number) >= 0;
    if (Array.isArray(step) && step.length === 2 && step.every(whole)) return [step[0], step[1]];
    throw invalid(`ladder.${field}: ${JSON.stringify(step)} must be a pair of whole numbers, 0 or greater`);
  });
  return steps.sort(([a], [b]) => a - b);
}

function invalid(message: string): KnitError {
  return new KnitError('SCALING_INVALID', message);
}
