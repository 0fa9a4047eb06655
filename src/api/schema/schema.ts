import type { Scalar } from './compact.ts';
import {
  type CompactDefinition,
  type CompactSchema,
  type DefinitionFacts,
  type FieldFacts,
  scalarCodes,
} from './compact.ts';

/**
 * What a value may be. The walkers (check, patch, OpenAPI) know nothing else of a kind. `facts` of a list and of a map
 * are those of what is in it.
 */
export type Type =
  | { readonly kind: 'scalar'; readonly scalar: Scalar }
  | { readonly kind: 'list'; readonly items: Type; readonly facts?: FieldFacts }
  | { readonly kind: 'map'; readonly values: Type; readonly facts?: FieldFacts }
  | { readonly kind: 'struct'; readonly definition: Definition };

export interface Field {
  readonly name: string;
  /** As Go's messages call it: with the struct that it is inlined from, `VolumeSource.hostPath`. */
  readonly goPath: string;
  readonly type: Type;
  /** Said by OpenAPI only: a missing field is an error of validation, never of decoding. */
  readonly required: boolean;
  readonly facts: FieldFacts;
}

/** A named object type with a closed set of fields. */
export interface Definition {
  /** `io.k8s.api.apps.v1.DeploymentSpec` */
  readonly name: string;
  /** As Go's own messages call it: `DeploymentSpec`. */
  readonly goName: string;
  /** `v1.DeploymentSpec` */
  readonly goType: string;
  readonly fields: ReadonlyMap<string, Field>;
  readonly facts: DefinitionFacts;
  /** Its objects are held as JSON and not as a Go struct: no field is there that nobody wrote. */
  readonly isUnstructured?: true;
}

export interface Schema {
  /** By definition name: `io.k8s.api.core.v1.Pod`. */
  definition(name: string): Definition | undefined;
  names(): Iterable<string>;
  /** Changes when a definition or a description does. */
  readonly hash: string;
}

/** Definitions are made on first use: a server that starts pays for none of them. */
export function createSchema(compact: CompactSchema): Schema {
  const indexes = new Map(compact.definitions.map(([name], index) => [name, index]));
  const made: (Definition | undefined)[] = [];
  const at = (index: number): Definition => {
    made[index] ??= new LazyDefinition(compact.definitions[index]!, at);
    return made[index];
  };
  return {
    definition(name) {
      const index = indexes.get(name);
      return index === undefined ? undefined : at(index);
    },
    names: () => indexes.keys(),
    hash: compact.hash,
  };
}

class LazyDefinition implements Definition {
  readonly name: string;
  readonly goName: string;
  readonly goType: string;
  readonly facts: DefinitionFacts;
  readonly #compact: CompactDefinition;
  readonly #at: (index: number) => Definition;
  #fields: ReadonlyMap<string, Field> | undefined;

  constructor(compact: CompactDefinition, at: (index: number) => Definition) {
    this.name = compact[0];
    const parts = this.name.split('.');
    this.goName = parts.at(-1)!;
    this.goType = `${parts.at(-2)}.${this.goName}`;
    this.facts = compact[2] ?? {};
    this.#compact = compact;
    this.#at = at;
  }

  get fields(): ReadonlyMap<string, Field> {
    this.#fields ??= new Map(
      Object.entries(this.#compact[1]).map(([name, code]) => {
        const [, inlined = '', mark, typeCode] = /^(?:([\w.]+)>)?(!?)(.+)$/.exec(code)!;
        const goPath = inlined === '' ? name : `${inlined}.${name}`;
        const type = parseType(typeCode!, this.#at);
        return [name, { name, goPath, type, required: mark === '!', facts: this.facts.fields?.[name] ?? {} }];
      }),
    );
    return this.#fields;
  }
}

function parseType(code: string, at: (index: number) => Definition): Type {
  if (code.startsWith('[')) return { kind: 'list', items: parseType(code.slice(1), at) };
  if (code.startsWith('{')) return { kind: 'map', values: parseType(code.slice(1), at) };
  if (code in scalarCodes) return { kind: 'scalar', scalar: scalarCodes[code as keyof typeof scalarCodes] };
  return { kind: 'struct', definition: at(Number(code)) };
}
