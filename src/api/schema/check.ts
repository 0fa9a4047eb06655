import { canonicalQuantity } from '../quantity.ts';
import type { Scalar } from './compact.ts';
import type { Definition, Schema, Type } from './schema.ts';
import { canonicalMicroTime, canonicalTime, timeError } from './time.ts';

export interface CheckOptions {
  /** Unknown fields are always removed; `report` also collects their paths. Default `prune`. */
  readonly onUnknown?: 'prune' | 'report';
}

export interface CheckResult {
  /** Paths of unknown fields, as they come in the document: `spec.template.spec.containers[0].foo`. */
  readonly unknown: string[];
  /** Values of a wrong type, in the words of Kubernetes' decoder. Where it is empty, the value has the type. */
  readonly errors: string[];
}

/**
 * Makes a parsed JSON value what Go's decoder would have made of it, in place: unknown fields and nulls are gone,
 * quantities and times are in canonical form. Missing required fields are no errors here, as they are none in Go.
 *
 * @throws RangeError for a definition that the schema does not have
 */
export function check(schema: Schema, definition: string, value: unknown, options: CheckOptions = {}): CheckResult {
  const root = schema.definition(definition);
  if (!root) throw new RangeError(`no definition ${definition}`);
  return checkType({ kind: 'struct', definition: root }, value, options);
}

/** The same for any type. */
export function checkType(type: Type, value: unknown, options: CheckOptions = {}): CheckResult {
  const walk = new Walk(options.onUnknown === 'report');
  walk.value(type, value);
  return { unknown: walk.unknown, errors: walk.errors };
}

/** `reason` as Kubernetes words a body that it cannot decode: the message of a BadRequest. */
export function cannotBeHandled(kind: string, version: string, reason: string): string {
  return `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${reason}`;
}

/**
 * Unknown and duplicate fields as strict decoding words them; each entry is also the text of a warning. What is
 * duplicate in a field that is itself unknown is not mentioned.
 */
export function strictMessages(unknown: readonly string[], duplicate: readonly string[]): string[] {
  const within = (path: string) =>
    unknown.some((outer) => path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`));
  return [
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
    ...duplicate.filter((path) => !within(path)).map((path) => `duplicate field ${JSON.stringify(path)}`),
  ];
}

/** The reason for {@link cannotBeHandled} of a request with `fieldValidation=Strict`. */
export function strictReason(messages: readonly string[]): string {
  return `strict decoding error: ${messages.join(', ')}`;
}

type JsonObject = Record<string, unknown>;

class Walk implements CheckResult {
  readonly unknown: string[] = [];
  readonly errors: string[] = [];
  readonly #report: boolean;
  /** Field names, map keys and list indexes from the root to here. */
  readonly #path: (string | number)[] = [];
  /** Go names only the innermost struct and the JSON names of the struct fields that led to it. */
  #struct: Definition | undefined;
  readonly #goPath: string[] = [];

  constructor(report: boolean) {
    this.#report = report;
  }

  /** Returns the value as Go would hold it. */
  value(type: Type, value: unknown): unknown {
    switch (type.kind) {
      case 'scalar':
        return this.#scalar(type.scalar, value);
      case 'list':
        if (value === null) return value;
        return Array.isArray(value) ? this.#list(type.items, value) : this.#mismatch(type, value);
      case 'map':
        return isObject(value) ? this.#map(type.values, value) : this.#mismatch(type, value);
      case 'struct':
        return isObject(value) ? this.#fields(type.definition, value) : this.#mismatch(type, value);
    }
  }

  #fields(definition: Definition, object: JsonObject): JsonObject {
    const outer = this.#struct;
    this.#struct = definition;
    for (const key in object) {
      const field = definition.fields.get(key);
      if (!field) {
        if (this.#report) this.unknown.push(formatPath(this.#path, key));
        delete object[key];
        continue;
      }
      const value = object[key];
      if (value === null || value === undefined) {
        delete object[key];
        continue;
      }
      this.#path.push(key);
      this.#goPath.push(field.goPath);
      const made = this.value(field.type, value);
      if (made !== value) object[key] = made;
      this.#goPath.pop();
      this.#path.pop();
    }
    this.#struct = outer;
    return object;
  }

  #map(values: Type, object: JsonObject): JsonObject {
    for (const key in object) {
      this.#path.push(key);
      const value = object[key];
      const made = value === null ? zero(values) : this.value(values, value);
      if (made !== value) object[key] = made;
      this.#path.pop();
    }
    return object;
  }

  #list(items: Type, list: unknown[]): unknown[] {
    for (let index = 0; index < list.length; index++) {
      this.#path.push(index);
      const value = list[index];
      const made = value === null ? zero(items) : this.value(items, value);
      if (made !== value) list[index] = made;
      this.#path.pop();
    }
    return list;
  }

  #scalar(scalar: Scalar, value: unknown): unknown {
    switch (scalar) {
      case 'any':
        return value;
      case 'string':
        return typeof value === 'string' ? value : this.#mismatch({ kind: 'scalar', scalar }, value);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#mismatch({ kind: 'scalar', scalar }, value);
      case 'double':
        return typeof value === 'number' ? value : this.#mismatch({ kind: 'scalar', scalar }, value);
      case 'int32':
      case 'int64':
        return isInteger(scalar, value) ? value : this.#mismatch({ kind: 'scalar', scalar }, value);
      case 'bytes':
        if (typeof value !== 'string') return this.#mismatch({ kind: 'scalar', scalar }, value);
        return this.#custom(value, badBase64(value));
      case 'IntOrString':
        if (typeof value === 'string' || isInteger('int32', value)) return value;
        return this.#mismatch({ kind: 'scalar', scalar: 'int32' }, value);
      case 'Quantity':
        return this.#quantity(value);
      case 'Time':
      case 'MicroTime':
        return this.#time(scalar, value);
    }
  }

  #quantity(value: unknown): unknown {
    const text = typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : undefined;
    const made = text === undefined ? undefined : canonicalQuantity(text);
    return made ?? this.#custom(value, quantityError);
  }

  #time(scalar: 'Time' | 'MicroTime', value: unknown): unknown {
    if (typeof value !== 'string') return this.#mismatch({ kind: 'scalar', scalar: 'string' }, value);
    const made = scalar === 'Time' ? canonicalTime(value) : canonicalMicroTime(value);
    if (made !== undefined) return made;
    return this.#custom(value, timeError(scalar, value));
  }

  /** What decodes itself in Go knows nothing of where it stands, and so its errors don't either. */
  #custom(value: unknown, error: string | undefined): unknown {
    if (error !== undefined) this.errors.push(error);
    return value;
  }

  #mismatch(type: Type, value: unknown): unknown {
    const where = this.#struct ? `Go struct field ${this.#struct.goName}.${this.#goPath.join('.')}` : 'Go value';
    this.errors.push(`json: cannot unmarshal ${goValue(type, value)} into ${where} of type ${goType(type)}`);
    return value;
  }
}

const quantityError = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isInteger(scalar: 'int32' | 'int64', value: unknown): boolean {
  if (scalar === 'int32') return typeof value === 'number' && (value | 0) === value;
  return Number.isInteger(value) && Math.abs(value as number) < 2 ** 63;
}

/** Standard base64 with padding, as Go's encoding/json wants it for `[]byte`; line breaks are ignored. */
function badBase64(text: string): string | undefined {
  const match = /^(?:[A-Za-z0-9+/\r\n]*)={0,2}[\r\n]*$/.exec(text);
  const length = text.replace(/[\r\n]/g, '').length;
  if (match && length % 4 === 0) return undefined;
  const at = match ? length - (length % 4) : text.search(/[^A-Za-z0-9+/\r\n]/);
  return `illegal base64 data at input byte ${at}`;
}

/** What Go keeps for a null in a list or a map. */
function zero(type: Type): unknown {
  switch (type.kind) {
    case 'struct':
      return {};
    case 'list':
    case 'map':
      return null;
    case 'scalar':
      return zeroScalars[type.scalar];
  }
}

const zeroScalars: Readonly<Record<Scalar, unknown>> = {
  string: '',
  bytes: null,
  boolean: false,
  double: 0,
  int32: 0,
  int64: 0,
  IntOrString: 0,
  Quantity: '0',
  Time: null,
  MicroTime: null,
  any: null,
};

function goValue(type: Type, value: unknown): string {
  if (typeof value === 'number') {
    // A number that does not fit is spelt out; one where none belongs is not.
    const numeric = type.kind === 'scalar' && (type.scalar === 'int32' || type.scalar === 'int64');
    return numeric ? `number ${value}` : 'number';
  }
  if (typeof value === 'boolean') return 'bool';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'string' ? 'string' : 'object';
}

function goType(type: Type): string {
  switch (type.kind) {
    case 'scalar':
      return goScalars[type.scalar];
    case 'list':
      return `[]${goType(type.items)}`;
    case 'map':
      return isQuantity(type.values) ? 'v1.ResourceList' : `map[string]${goType(type.values)}`;
    case 'struct':
      return type.definition.goType;
  }
}

const isQuantity = (type: Type): boolean => type.kind === 'scalar' && type.scalar === 'Quantity';

const goScalars: Readonly<Record<Scalar, string>> = {
  string: 'string',
  bytes: '[]uint8',
  boolean: 'bool',
  double: 'float64',
  int32: 'int32',
  int64: 'int64',
  IntOrString: 'intstr.IntOrString',
  Quantity: 'resource.Quantity',
  Time: 'v1.Time',
  MicroTime: 'v1.MicroTime',
  any: 'runtime.RawExtension',
};

function formatPath(path: readonly (string | number)[], last: string): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`;
  return text === '' ? last : `${text}.${last}`;
}
