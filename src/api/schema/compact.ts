/**
 * `dist/schema.json`: all definitions in a form that parses in a few milliseconds. Written by `scripts/schema.ts`,
 * read by `load.ts`; `compactFormat` is raised when it changes.
 */
export const compactFormat = 4;

export interface CompactSchema {
  readonly format: number;
  /** Of the definitions and descriptions. */
  readonly hash: string;
  readonly definitions: readonly CompactDefinition[];
}

/** Name, fields, facts of merging (left out where there are none). */
export type CompactDefinition = readonly [
  name: string,
  fields: Readonly<Record<string, CompactField>>,
  facts?: DefinitionFacts,
];

/**
 * A field's type: a letter of {@link scalarCodes}, the index of a definition, `[` and a type for a list, `{` and a
 * type for a map. A leading `!` says that the field is required, and `VolumeSource>` before it that Go has it in a
 * struct of that name which is inlined.
 */
export type CompactField = string;

export const scalarCodes = {
  s: 'string',
  i: 'int32',
  l: 'int64',
  d: 'double',
  b: 'boolean',
  y: 'bytes',
  t: 'Time',
  u: 'MicroTime',
  q: 'Quantity',
  x: 'IntOrString',
  '*': 'any',
} as const;

/** `any` is kept as it is: RawExtension, JSON, FieldsV1. */
export type Scalar = (typeof scalarCodes)[keyof typeof scalarCodes];

/** How a field is merged: the `x-kubernetes-*` extensions of Kubernetes' own OpenAPI document. */
export interface FieldFacts {
  readonly listType?: 'atomic' | 'set' | 'map';
  readonly listMapKeys?: readonly string[];
  readonly mapType?: 'atomic' | 'granular';
  /** `merge`, `replace`, `retainKeys`, or two of them with a comma. */
  readonly patchStrategy?: string;
  readonly patchMergeKey?: string;
  /** What a custom resource's schema says of a field that is not given. */
  readonly default?: unknown;
}

export interface DefinitionFacts {
  readonly fields?: Readonly<Record<string, FieldFacts>>;
  readonly mapType?: 'atomic' | 'granular';
  readonly unions?: readonly unknown[];
}

/** `dist/descriptions.json`: for a definition its own text and its fields' texts. */
export type Descriptions = Readonly<Record<string, readonly [text: string, fields: Readonly<Record<string, string>>]>>;

/**
 * `dist/proto-fields.json`: the numbers of a message's fields, `metadata=1 spec=2 replicas=1?`. A question mark says
 * that Go has a pointer there, so that a zero was really set. `<` names a message whose fields are the outer one's
 * in JSON: `<io.k8s.api.core.v1.VolumeSource=2`. After a colon stands the form of a message that JSON does not show:
 * `items=24?:JSONSchemaPropsOrArray`.
 */
export type ProtobufFields = Readonly<Record<string, string>>;
