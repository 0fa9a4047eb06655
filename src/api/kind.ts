import type { Dialect, SchemaObject } from './openapi/schemas.ts';
import type { Resource } from './resource.ts';
import type { CheckOptions, CheckResult } from './schema/check.ts';
import type { Type } from './schema/schema.ts';
import type { KubeObject, ObjectMeta } from './types.ts';

/** What somebody may try to write of an object's metadata. */
export type MetadataPart = 'labels' | 'annotations' | 'finalizers' | 'ownerReferences' | 'deletionTimestamp';

/** One entry of `status.details.causes`, in Kubernetes' own words. */
export interface FieldError {
  /** `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotSupported`, `FieldValueForbidden`, `FieldValueDuplicate` … */
  readonly reason: string;
  /** `spec.containers[0].image` */
  readonly field: string;
  /** `Invalid value: "x": must be …`, without the field. */
  readonly message: string;
}

/** A column of `kubectl get` (meta.k8s.io/v1 TableColumnDefinition and how its cell is made). */
export interface Column<T> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format?: string;
  readonly description: string;
  /** 0 is always shown, 1 and more only with `-o wide`. */
  readonly priority: number;
  cell(object: T, now: number): string | number | boolean | null;
}

/** Reads what `fieldSelector` compares. (Declared as a method, so that kinds of different objects fit one list.) */
export type FieldLabel<T> = { read(object: T): string }['read'];

/** A kind whose objects are kept as those of another kind (events.k8s.io as core events): both show the same objects. */
export interface StoredAs<T> {
  readonly resource: Resource;
  /** Makes the stored form, `apiVersion` and `kind` included. Gives away its argument. */
  toStored(object: T): KubeObject;
  fromStored(object: KubeObject): T;
  /** Whether a stored object is what clients get as it lies there; default: never. */
  isShown?(bytes: Uint8Array, revision: number): boolean;
  /** Where another program translates between versions. What it makes goes through `toStored` and `fromStored` too. */
  readonly convert?: Convert;
}

/** Translates objects of one version of a kind into another one (`GROUP/VERSION`), in their order. */
export type Convert = (objects: readonly KubeObject[], apiVersion: string) => Promise<readonly KubeObject[]>;

/** The schema of a kind that has no definition among the built-in ones. */
export interface OwnSchema {
  /** For patches and for who owns which field. */
  readonly type: Type;
  /** Makes a parsed body what the schema allows, in place, as `check` does it for built-in kinds. */
  check(object: KubeObject, options: CheckOptions): CheckResult;
  /** The definitions of the kind and its list for an OpenAPI document, by their names. */
  openApi(dialect: Dialect): Record<string, SchemaObject>;
  /** Another one when the schema changes. */
  readonly hash: string;
}

/** Where `scale` finds its numbers: `.spec.replicas`, `.status.replicas`, `.status.selector`-like paths. */
export interface ScalePaths {
  readonly specReplicas: string;
  readonly statusReplicas: string;
  readonly labelSelector?: string;
}

/**
 * Everything the API server knows about a kind. Built-in kinds are constants of this type; a CRD makes one at run
 * time. The server has one generic handler for all.
 */
export interface Kind<T extends KubeObject = KubeObject> extends Resource<T> {
  readonly listKind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  /** Name of its schema: `io.k8s.api.core.v1.Pod`. */
  readonly definition: string;
  /** Of a kind that was defined at run time. */
  readonly schema?: OwnSchema;
  /** Its dependents stay where a deletion does not say what is to become of them. */
  readonly orphansByDefault?: boolean;
  /** Why no object of it may be created any more. */
  readonly refusesCreate?: string;
  /** Who uses it is warned with this text. */
  readonly deprecation?: string;
  /** A PUT of what is not there creates it (Kubernetes' `AllowCreateOnUpdate`). */
  readonly createdByPut?: boolean;
  /** A PUT says which version it replaces (where Kubernetes' `AllowUnconditionalUpdate` is false). */
  readonly needsVersion?: boolean;
  /** Parts of the metadata that a write of the status leaves as they are; default: none. */
  readonly keptByStatus?: readonly MetadataPart[];
  /** Verbs of the main resource; `undefined` means all eight. */
  readonly verbs?: readonly string[];
  /** `spec` is written by the main resource only and `status` by `/status` only. */
  readonly hasStatus: boolean;
  /** Who creates it may give its status (a kubelet registers its node with what it found); otherwise it is dropped. */
  readonly statusOnCreate?: boolean;
  /** The status of a new object, of which nobody has said anything: the fields that Kubernetes' types always write. */
  readonly initialStatus?: Readonly<Record<string, boolean | number>>;
  readonly scale?: ScalePaths;
  /** Further subresources that discovery lists (`log`, `exec`, `binding`, `eviction`, `token` …). */
  readonly subresources: readonly Subresource[];
  /** Whether changes of what is wanted raise `metadata.generation`; `first`: it stays 1, `later`: it comes with them. */
  readonly generation: boolean | 'first' | 'later';
  /** Parts of the metadata whose change raises it too; default: none. */
  readonly raisedBy?: readonly MetadataPart[];
  /** Fills in what the author left out. Called on every write, before validation. */
  setDefaults?(object: T): void;
  /** The object as it may be born: called on create after the defaults, when name, namespace and uid are known. */
  prepareForCreate?(object: T): void;
  /**
   * Takes over from `old` what an author may not write. Called on update after the defaults, before validation.
   * `subresource` is the one written through (`status`, `binding` …), none for the object itself.
   */
  prepareForUpdate?(object: T, old: T, subresource?: string): void;
  /**
   * All that the schema cannot say. `old` is there on update: immutable fields are checked against it, as far as they
   * are immutable through this `subresource` too (a binding may set `spec.nodeName`).
   */
  validate?(object: T, old: T | undefined, subresource?: string): FieldError[];
  /** What is not wrong and yet worth telling the author; clients print it. Of the object as it was sent. */
  warnings?(object: T): string[];
  /** What has to be loaded before it can be checked (CEL, the rules of schemas). `found` is what `validate` found. */
  validateRules?(
    object: T,
    old: T | undefined,
    subresource: string | undefined,
    found: readonly FieldError[],
  ): Promise<FieldError[]>;
  /** What its deletion adds to an object before anything is looked at: a finalizer, a condition. */
  prepareForDelete?(object: T): void;
  /** What may be asked with `fieldSelector`, besides `metadata.name` and `metadata.namespace`. */
  readonly fieldLabels: Readonly<Record<string, FieldLabel<T>>>;
  readonly columns: readonly Column<T>[];
  /** What a row says beside its cells (`conditions` of meta.k8s.io/v1 TableRow). */
  rowConditions?(object: T): readonly object[] | undefined;
  /** Rule of its names. Default: DNS subdomain. */
  readonly nameRule?: (name: string) => string | undefined;
  /** Finalizers may have plain names. */
  readonly anyFinalizer?: boolean;
  /** Objects of this kind are kept under the key, and in the form, of another. */
  readonly storedAs?: StoredAs<T>;
  /** Seconds a graceful delete may take, when the kind has it (pods). */
  gracePeriodSeconds?(object: T, asked: number | undefined): number;
}

export interface Subresource {
  readonly name: string;
  /** Kind in discovery: `PodExecOptions`, `Eviction`. */
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

/** `metadata` where it must be there; an object in the server always has one. */
export function metaOf(object: KubeObject): ObjectMeta {
  object.metadata ??= {};
  return object.metadata;
}
