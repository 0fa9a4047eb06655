/**
 * Writes `dist/schema.json` (types, required fields, facts of merging), `dist/descriptions.json` (texts) and
 * `dist/proto-fields.json` (field numbers) from `src/api/data` and from the models that `@kubernetes/client-node` generated out of Kubernetes' OpenAPI document, under Kubernetes' own
 * definition names.
 *
 *     node scripts/schema.ts [DIRECTORY]
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CompactDefinition,
  type CompactSchema,
  compactFormat,
  type DefinitionFacts,
  type Descriptions,
  type ProtobufFields,
} from '../src/api/schema/compact.ts';

interface Field {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly required: boolean;
  readonly description: string;
}

interface Model {
  /** `V1Pod`, `CoreV1Event` */
  readonly name: string;
  readonly description: string;
  readonly fields: readonly Field[];
}

const root = join(import.meta.dirname, '..');
const generated = join(root, 'node_modules/@kubernetes/client-node/dist/gen');

/** Generates both files into `directory`; returns the number of definitions. */
function generate(directory: string): number {
  const models = readModels();
  const names = definitionNames(models);
  const facts = readData('merge-facts.json') as Record<string, DefinitionFacts>;
  checkFacts(facts, new Set(names.values()));
  mkdirSync(directory, { recursive: true });
  const numbers = readData('proto-fields.json') as ProtobufFields;
  const definitions = compact(models, names, facts, numbers);
  const texts = descriptions(models, names);
  const hash = createHash('sha256')
    .update(JSON.stringify([definitions, texts]))
    .digest('hex')
    .slice(0, 16);
  const schema: CompactSchema = { format: compactFormat, hash, definitions };
  writeWhole(join(directory, 'descriptions.json'), texts);
  writeWhole(join(directory, 'proto-fields.json'), numbers);
  writeWhole(join(directory, 'schema.json'), schema);
  return models.length;
}

function readData(file: string): unknown {
  return JSON.parse(readFileSync(join(root, 'src/api/data', file), 'utf8'));
}

/** Never leaves half a file where another process may be reading. */
function writeWhole(path: string, value: unknown): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(value));
  renameSync(draft, path);
}

// --- reading the generated models

function readModels(): Model[] {
  const directory = join(generated, 'models');
  // The folder also holds models of older releases; only what `all.js` names belongs to this one.
  const all = readFileSync(join(directory, 'all.js'), 'utf8');
  return [...all.matchAll(/models\/(\w+)\.js/g)].map(([, name]) =>
    readModel(
      name!,
      readFileSync(join(directory, `${name}.js`), 'utf8'),
      readFileSync(join(directory, `${name}.d.ts`), 'utf8'),
    ),
  );
}

function readModel(name: string, code: string, types: string): Model {
  const declared = readDeclaration(types);
  const start = code.indexOf('attributeTypeMap = [');
  const list = code.slice(code.indexOf('[', start), code.indexOf('];', start) + 1);
  const attributes: { name: string; baseName: string; type: string; format: string }[] = JSON.parse(list);
  const fields = attributes.map(({ name: property, baseName, type, format }) => {
    const declaration = declared.fields.get(property);
    if (!declaration) throw new Error(`${name}.${property} is not declared in ${name}.d.ts`);
    return { name: baseName, type, format, ...declaration };
  });
  return { name, description: declared.description, fields };
}

function readDeclaration(types: string) {
  const fields = new Map<string, { required: boolean; description: string }>();
  for (const match of types.matchAll(/(?:\/\*\*\n((?:(?!\*\/)[\s\S])*)\*\/\s*)?'([^'\n]+)'(\?)?: /g)) {
    fields.set(match[2]!, { required: match[3] === undefined, description: commentText(match[1] ?? '') });
  }
  const header = /\/\*\*\n((?:(?!\*\/)[\s\S])*)\*\/\nexport declare class/.exec(types);
  return { description: commentText(header?.[1] ?? ''), fields };
}

/** The comment without its stars, and without the escapes that the generator put into it. */
function commentText(comment: string): string {
  return comment
    .replace(/^\s*\* ?/gm, '')
    .replace(/\*_\//g, '*/')
    .replace(/\\(['"])/g, '$1')
    .trim();
}

// --- definition names

const metaTypes = new Set(
  `APIGroup APIGroupList APIResource APIResourceList APIVersions Condition DeleteOptions FieldSelectorRequirement
  GroupResource GroupVersionForDiscovery LabelSelector LabelSelectorRequirement ListMeta ManagedFieldsEntry ObjectMeta OwnerReference
  Preconditions ServerAddressByClientCIDR ShardInfo Status StatusCause StatusDetails WatchEvent`.split(/\s+/),
);

/** Types whose group cannot be told from who refers to them. */
const exceptions: Readonly<Record<string, string>> = {
  V1Eviction: 'policy',
  V1Scale: 'autoscaling',
  V1ScaleSpec: 'autoscaling',
  V1ScaleStatus: 'autoscaling',
  V1TopologySelectorTerm: 'core',
  V1TopologySelectorLabelRequirement: 'core',
};

/** API classes are named for the whole group, Go packages for its first word. */
const packages: Readonly<Record<string, string>> = {
  flowcontrolapiserver: 'flowcontrol',
  internalapiserver: 'apiserverinternal',
  rbacauthorization: 'rbac',
};

const versionPattern = /^(.*?)(V[1-9]\d*(?:(?:alpha|beta)\d+)?)(.+)$/;

/** `V1Pod` → `io.k8s.api.core.v1.Pod`, for every model. */
function definitionNames(models: readonly Model[]): Map<string, string> {
  const groups = modelGroups(models);
  const names = new Map<string, string>();
  for (const { name } of models) {
    if (name === 'VersionInfo') {
      names.set(name, 'io.k8s.apimachinery.pkg.version.Info');
      continue;
    }
    const [, , version, type] = versionPattern.exec(name)!;
    names.set(name, `${groupPrefix(groups.get(name)!)}.${version!.toLowerCase()}.${type}`);
  }
  const unique = new Set(names.values());
  if (unique.size !== names.size) throw new Error('two models have one definition name');
  return names;
}

function groupPrefix(group: string): string {
  if (group === 'meta') return 'io.k8s.apimachinery.pkg.apis.meta';
  if (group === 'apiextensions') return 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions';
  if (group === 'apiregistration') return 'io.k8s.kube-aggregator.pkg.apis.apiregistration';
  return `io.k8s.api.${group}`;
}

/**
 * The group of every model: written in its name (`CoreV1Event`), a type of meta, what an API class reads and writes,
 * and else the group of the models that refer to it (core, where several do: only core is used by other groups).
 */
function modelGroups(models: readonly Model[]): Map<string, string> {
  const groups = new Map<string, string>();
  const served = servedModels();
  for (const { name } of models) {
    const [, group = '', version, type = ''] = versionPattern.exec(name) ?? [];
    const known =
      group !== ''
        ? group.toLowerCase()
        : version === 'V1' && metaTypes.has(type)
          ? 'meta'
          : (exceptions[name] ?? served.get(name));
    if (known) groups.set(name, known);
  }
  const referrers = referrersOf(models);
  const pending = models.map(({ name }) => name).filter((name) => !groups.has(name) && name !== 'VersionInfo');
  spread(pending, groups, referrers);
  return groups;
}

/** Gives each pending model the group of its referrers, once all of these are known. */
function spread(
  pending: readonly string[],
  groups: Map<string, string>,
  referrers: ReadonlyMap<string, ReadonlySet<string>>,
): void {
  if (pending.length === 0) return;
  const later: string[] = [];
  for (const name of pending) {
    const by = [...(referrers.get(name) ?? [])].filter((referrer) => referrer !== name);
    const known = new Set(by.map((referrer) => groups.get(referrer)));
    if (known.has(undefined)) later.push(name);
    else if (known.size === 1) groups.set(name, [...known][0]!);
    else if (known.has('core')) groups.set(name, 'core');
    else throw new Error(`the group of ${name} is unclear: used by ${by.join(', ') || 'nothing'}`);
  }
  if (later.length === pending.length) throw new Error(`the groups of ${later.join(', ')} are unclear`);
  spread(later, groups, referrers);
}

function referrersOf(models: readonly Model[]): Map<string, Set<string>> {
  const known = new Set(models.map(({ name }) => name));
  const referrers = new Map<string, Set<string>>();
  for (const model of models) {
    for (const { type } of model.fields) {
      for (const name of type.match(/\w+/g) ?? []) {
        if (!known.has(name)) continue;
        const by = referrers.get(name) ?? new Set();
        referrers.set(name, by.add(model.name));
      }
    }
  }
  return referrers;
}

/** Models that appear in an API class of their own version: `V1Deployment` → `apps`. */
function servedModels(): Map<string, string> {
  const served = new Map<string, string>();
  const directory = join(generated, 'apis');
  for (const file of readdirSync(directory)) {
    const [, group, version] = /^(\w+?)(V[1-9]\d*(?:(?:alpha|beta)\d+)?)Api\.js$/.exec(file) ?? [];
    if (!group || !version) continue;
    const code = readFileSync(join(directory, file), 'utf8');
    for (const [, model] of code.matchAll(/ObjectSerializer\.(?:de)?serialize\([^"\n]*"(V\w+)"/g)) {
      if (versionPattern.exec(model!)![2] !== version) continue;
      served.set(model!, packages[group.toLowerCase()] ?? group.toLowerCase());
    }
  }
  return served;
}

// --- writing

/** Fields that are a Quantity in Go and a string in the models; the version is left out. */
const quantities = new Set(
  `CapacityRequestPolicy.default CapacityRequestPolicy.validValues CapacityRequestPolicyRange.max
  CapacityRequestPolicyRange.min CapacityRequestPolicyRange.step CapacityRequirements.requests
  ContainerStatus.allocatedResources Counter.value CSIStorageCapacity.capacity CSIStorageCapacity.maximumVolumeSize
  DeviceCapacity.value DeviceRequestAllocationResult.consumedCapacity EmptyDirVolumeSource.sizeLimit
  HPAScalingRules.tolerance
  LimitRangeItem.default LimitRangeItem.defaultRequest LimitRangeItem.max LimitRangeItem.maxLimitRequestRatio
  LimitRangeItem.min MetricTarget.averageValue MetricTarget.value MetricValueStatus.averageValue
  MetricValueStatus.value NodeAllocatableResourceClaimStatus.resources NodeStatus.allocatable NodeStatus.capacity
  Overhead.podFixed PersistentVolumeClaimStatus.allocatedResources PersistentVolumeClaimStatus.capacity
  PersistentVolumeSpec.capacity PodSpec.overhead PodStatus.allocatedResources ResourceFieldSelector.divisor
  ResourceQuotaSpec.hard ResourceQuotaStatus.hard ResourceQuotaStatus.used ResourceRequirements.limits
  ResourceRequirements.requests VolumeResourceRequirements.limits VolumeResourceRequirements.requests`.split(/\s+/),
);

function compact(
  models: readonly Model[],
  names: ReadonlyMap<string, string>,
  facts: Readonly<Record<string, DefinitionFacts>>,
  numbers: ProtobufFields,
): CompactDefinition[] {
  const indexes = new Map(models.map(({ name }, index) => [name, index]));
  const used = new Set<string>();
  const definitions = models.map((model): CompactDefinition => {
    const type = versionPattern.exec(model.name)?.[3] ?? model.name;
    const name = names.get(model.name)!;
    const fields = Object.fromEntries(
      model.fields.map((field) => {
        const path = `${type}.${field.name}`;
        if (quantities.has(path)) used.add(path);
        const code = typeCode(field.type, quantities.has(path) ? 'quantity' : field.format, indexes);
        const inlined = inlinedFrom(name, field.name, numbers);
        return [field.name, `${inlined ? `${inlined}>` : ''}${field.required ? '!' : ''}${code}`];
      }),
    );
    const known = facts[name];
    return known ? [name, fields, known] : [name, fields];
  });
  const unused = [...quantities].filter((path) => !used.has(path));
  if (unused.length > 0) throw new Error(`no such field: ${unused.join(', ')}`);
  return definitions;
}

/** Go's name of the struct that a field is inlined from: `VolumeSource` for `hostPath` of a Volume. */
function inlinedFrom(definition: string, field: string, numbers: ProtobufFields): string | undefined {
  for (const [, inner] of (numbers[definition] ?? '').matchAll(/<(\S+)=/g)) {
    if (` ${numbers[inner!]}`.includes(` ${field}=`)) return inner!.split('.').at(-1);
    const deeper = inlinedFrom(inner!, field, numbers);
    if (deeper) return `${inner!.split('.').at(-1)}.${deeper}`;
  }
  return undefined;
}

const formatCodes: Readonly<Record<string, string>> = {
  byte: 'y',
  int32: 'i',
  int64: 'l',
  double: 'd',
  'date-time': 't',
  'date-time-micro': 'u',
  quantity: 'q',
};
const typeCodes: Readonly<Record<string, string>> = {
  string: 's',
  boolean: 'b',
  IntOrString: 'x',
  any: '*',
};

function typeCode(type: string, format: string, indexes: ReadonlyMap<string, number>): string {
  const list = /^Array<(.*)>$/.exec(type);
  if (list) return `[${typeCode(list[1]!, format, indexes)}`;
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
  if (map) return `{${typeCode(map[1]!, format, indexes)}`;
  const code = typeCodes[type] && !(format in formatCodes) ? typeCodes[type] : formatCodes[format];
  const index = indexes.get(type);
  if (code) return code;
  if (index !== undefined) return String(index);
  throw new Error(`unknown type ${type} with format ${JSON.stringify(format)}`);
}

function descriptions(models: readonly Model[], names: ReadonlyMap<string, string>): Descriptions {
  return Object.fromEntries(
    models.map((model) => [
      names.get(model.name)!,
      [model.description, Object.fromEntries(model.fields.map((field) => [field.name, field.description]))] as const,
    ]),
  );
}

/** Facts about a definition that is not there mean that a name was derived wrongly. */
function checkFacts(facts: Readonly<Record<string, DefinitionFacts>>, names: ReadonlySet<string>): void {
  const lost = Object.keys(facts).filter((name) => !names.has(name));
  if (lost.length > 0) throw new Error(`merge-facts.json speaks of unknown definitions: ${lost.join(', ')}`);
}

const started = performance.now();
const count = generate(process.argv[2] ?? join(root, 'dist'));
process.stdout.write(`schema: ${count} definitions in ${Math.round(performance.now() - started)} ms\n`);
