import { KnitError, messageOf } from '../../base/errors.ts';
import type { Scalar } from '../schema/compact.ts';
import type { Type } from '../schema/schema.ts';
import type { KubeObject } from '../types.ts';
import { type Form, type Message, type MessageField, messageOfKind, messages, schemaMessage } from './message.ts';
import { readFields, readVarints, type WireField } from './reader.ts';

/** The first bytes of every body: `k8s` and a zero. */
export const magic: readonly number[] = [0x6b, 0x38, 0x73, 0x00];

/**
 * Reads a body of `application/vnd.kubernetes.protobuf` into the object that Go would write as JSON. Fields that the
 * schema does not know are dropped, as protobuf wants it.
 *
 * @throws KnitError `BAD_PROTOBUF` for bytes that are no such body, or are of a kind whose form is not known
 */
export function decodeProtobuf(body: Uint8Array): KubeObject {
  if (magic.some((byte, index) => body[index] !== byte)) {
    throw bad('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  try {
    const { apiVersion, kind, raw } = readEnvelope(body.subarray(magic.length));
    const message = messageFor(apiVersion, kind);
    return { apiVersion, kind, ...decodeMessage(message, raw) };
  } catch (error) {
    throw error instanceof KnitError ? error : bad(messageOf(error));
  }
}

const bad = (message: string): KnitError => new KnitError('BAD_PROTOBUF', message, 'send JSON or YAML');

function messageFor(apiVersion: string, kind: string): Message {
  const message = messageOfKind(apiVersion, kind);
  if (message) return message;
  throw bad(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in protobuf`);
}

/** k8s.io/apimachinery/pkg/runtime Unknown: `typeMeta = 1 { apiVersion = 1, kind = 2 }`, `raw = 2`. */
function readEnvelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  const outer = bytesByNumber(bytes);
  const typeMeta = bytesByNumber(outer.get(1) ?? new Uint8Array());
  return {
    apiVersion: text(typeMeta.get(1)),
    kind: text(typeMeta.get(2)),
    raw: outer.get(2) ?? new Uint8Array(),
  };
}

function bytesByNumber(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (const field of readFields(bytes)) if (field.kind === 'bytes') found.set(field.number, field.value);
  return found;
}

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('utf8');

type JsonObject = Record<string, unknown>;

function decodeMessage(message: Message, bytes: Uint8Array, into: JsonObject = {}): JsonObject {
  for (const wire of readFields(bytes)) {
    const field = message.get(wire.number);
    if (!field) continue;
    if ('inline' in field) {
      if (wire.kind === 'bytes') decodeMessage(field.inline, wire.value, into);
    } else {
      decodeField(field, wire, into);
    }
  }
  return into;
}

function decodeField(field: MessageField & { name: string; type: Type }, wire: WireField, into: JsonObject): void {
  const { name, type, pointer, form } = field;
  if (form && form !== 'List' && type.kind !== 'map') {
    into[name] = decodeForm(form, wire);
    return;
  }
  switch (type.kind) {
    case 'list':
      if (form === 'List') into[name] = decodeValue(type, wire);
      else into[name] = [...((into[name] as unknown[] | undefined) ?? []), ...decodeItems(type.items, wire)];
      return;
    case 'map': {
      const [key, value] = decodeEntry(wire, (each) =>
        form ? decodeForm(form, each) : decodeValue(type.values, each),
      );
      into[name] = { ...((into[name] as JsonObject | undefined) ?? {}), [key]: value };
      return;
    }
    default: {
      const value = decodeValue(type, wire);
      if (pointer || !isZero(value)) into[name] = value;
    }
  }
}

/** What Go leaves out of JSON where there is no pointer that says otherwise. */
function isZero(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === '' || value === 0 || value === false;
}

/** One element, or several where numbers are packed into one field. */
function decodeItems(items: Type, wire: WireField): unknown[] {
  if (items.kind === 'scalar' && wire.kind === 'bytes' && isNumeric(items.scalar)) {
    return readVarints(wire.value);
  }
  return [decodeValue(items, wire)];
}

const isNumeric = (scalar: Scalar): boolean => scalar === 'int32' || scalar === 'int64' || scalar === 'boolean';

/** A map is a list of messages `{ key = 1, value = 2 }`. */
function decodeEntry(wire: WireField, decode: (value: WireField) => unknown): [key: string, value: unknown] {
  let key = '';
  let value = decode(emptyField);
  for (const field of readFields(wire.kind === 'bytes' ? wire.value : new Uint8Array())) {
    if (field.number === 1 && field.kind === 'bytes') key = text(field.value);
    if (field.number === 2) value = decode(field);
  }
  return [key, value];
}

const emptyField: WireField = { number: 2, kind: 'bytes', value: new Uint8Array() };

function decodeValue(type: Type, wire: WireField): unknown {
  switch (type.kind) {
    case 'scalar':
      return decodeScalar(type.scalar, wire);
    case 'struct': {
      const message = messages().of(type.definition.name);
      return message && wire.kind === 'bytes' ? decodeMessage(message, wire.value) : {};
    }
    case 'list': {
      // A list that stands in a map has a message of its own around it: { items = 1 }.
      if (wire.kind !== 'bytes') return [];
      return [...readFields(wire.value)]
        .filter(({ number }) => number === 1)
        .flatMap((item) => decodeItems(type.items, item));
    }
    case 'map':
      return {};
  }
}

/** See {@link Form}. */
function decodeForm(form: Form, wire: WireField): unknown {
  const fields = wire.kind === 'bytes' ? [...readFields(wire.value)] : [];
  const schemas = (number: number) =>
    fields.flatMap((field) =>
      field.number === number && field.kind === 'bytes' ? [decodeMessage(schemaMessage(), field.value)] : [],
    );
  switch (form) {
    case 'JSONSchemaPropsOrArray':
      return schemas(1)[0] ?? schemas(2);
    case 'JSONSchemaPropsOrBool':
      return schemas(2)[0] ?? fields.some((field) => field.number === 1 && field.value === 1);
    case 'JSONSchemaPropsOrStringArray':
      return schemas(1)[0] ?? fields.flatMap((field) => (field.kind === 'bytes' ? [text(field.value)] : []));
    default:
      return {};
  }
}

function decodeScalar(scalar: Scalar, wire: WireField): unknown {
  if (wire.kind !== 'bytes') return scalar === 'boolean' ? wire.value !== 0 : wire.value;
  switch (scalar) {
    case 'bytes':
      return Buffer.from(wire.value).toString('base64');
    case 'Quantity':
      return text(bytesByNumber(wire.value).get(1)) || '0';
    case 'IntOrString':
      return decodeIntOrString(wire.value);
    case 'Time':
    case 'MicroTime':
      return decodeTime(scalar, wire.value);
    case 'any': {
      const raw = bytesByNumber(wire.value).get(1);
      return raw && raw.length > 0 ? JSON.parse(text(raw)) : undefined;
    }
    default:
      return text(wire.value);
  }
}

/** `{ type = 1, intVal = 2, strVal = 3 }`, where type 1 is a string. */
function decodeIntOrString(bytes: Uint8Array): number | string {
  let isString = false;
  let number = 0;
  let string = '';
  for (const field of readFields(bytes)) {
    if (field.kind === 'varint' && field.number === 1) isString = field.value === 1;
    if (field.kind === 'varint' && field.number === 2) number = field.value;
    if (field.kind === 'bytes' && field.number === 3) string = text(field.value);
  }
  return isString ? string : number;
}

/** `{ seconds = 1, nanos = 2 }`; nothing at all is Go's zero time, which JSON leaves out. */
function decodeTime(scalar: 'Time' | 'MicroTime', bytes: Uint8Array): string | undefined {
  let seconds = 0;
  let nanos = 0;
  for (const field of readFields(bytes)) {
    if (field.kind === 'varint' && field.number === 1) seconds = field.value;
    if (field.kind === 'varint' && field.number === 2) nanos = field.value;
  }
  if (seconds === 0 && nanos === 0) return undefined;
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  return scalar === 'Time' ? `${whole}Z` : `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}
