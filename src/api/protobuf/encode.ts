import protobuf from 'protobufjs/minimal.js';
import type { Scalar } from '../schema/compact.ts';
import type { Type } from '../schema/schema.ts';
import type { KubeObject } from '../types.ts';
import { magic } from './decode.ts';
import { type Form, type Message, type MessageField, messageOfKind, messages, schemaMessage } from './message.ts';

type Writer = protobuf.Writer;
type JsonObject = Readonly<Record<string, unknown>>;

/** Wire types (protobuf.dev/programming-guides/encoding). */
const VARINT = 0;
const I64 = 1;
const LEN = 2;

/**
 * The body of `application/vnd.kubernetes.protobuf` for an object, or for a list with its items; `undefined` for a kind
 * that has no form in protobuf.
 */
export function encodeProtobuf(object: KubeObject): Uint8Array | undefined {
  // What tells of a whole server has none in JSON.
  const { apiVersion = 'v1', kind = '' } = object;
  const message = messageOfKind(apiVersion, kind);
  if (!message) return undefined;
  return enveloped(apiVersion, kind, encodeMessage(message, object as JsonObject)).finish();
}

/** A list of objects, each encoded by {@link encodeItem}, in pieces. */
export function encodeList(
  { apiVersion, kind, metadata }: { readonly apiVersion: string; readonly kind: string; readonly metadata: object },
  items: readonly Uint8Array[],
): Uint8Array[] {
  const meta = messages().of('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta') ?? new Map();
  const head = nested(protobuf.Writer.create(), 1, (writer) => writeMessage(writer, meta, { ...metadata })).finish();
  const length = items.reduce((sum, item) => sum + item.length, head.length);
  // The list is the last field of what is around it: who knows its length can let the items follow.
  const start = envelope(apiVersion, kind).uint32(tag(2, LEN)).uint32(length).finish();
  return [start, head, ...items];
}

/**
 * An object as an item of a list (`items = 2` in all of Kubernetes' lists).
 *
 * @throws Error for a kind that has no form in protobuf
 */
export function encodeItem(apiVersion: string, kind: string, object: KubeObject): Uint8Array {
  const message = messageOfKind(apiVersion, kind);
  if (!message) throw new Error(`${apiVersion} ${kind} has no form in protobuf`);
  return nested(protobuf.Writer.create(), 2, (writer) => writeMessage(writer, message, object as JsonObject)).finish();
}

/**
 * A frame of a watch (`;stream=watch`): four bytes of length, big-endian, and a meta.k8s.io/v1 WatchEvent:
 * `type = 1`, `object = 2 { raw = 1 }`, where raw is a body as {@link encodeProtobuf} makes it.
 *
 * @throws Error for a kind that has no form in protobuf
 */
export function encodeWatchFrame(type: string, object: KubeObject): Buffer {
  const raw = encodeProtobuf(object);
  if (!raw) throw new Error(`${object.apiVersion} ${object.kind} has no form in protobuf`);
  const event = protobuf.Writer.create().uint32(tag(1, LEN)).string(type);
  nested(event, 2, (writer) => writer.uint32(tag(1, LEN)).bytes(raw));
  const bytes = event.finish();
  const frame = Buffer.allocUnsafe(4 + bytes.length);
  frame.writeUInt32BE(bytes.length);
  frame.set(bytes, 4);
  return frame;
}

const tag = (number: number, wire: number): number => (number << 3) | wire;

/** The start of k8s.io/apimachinery/pkg/runtime Unknown: `typeMeta = 1 { apiVersion = 1, kind = 2 }`, then `raw = 2`. */
function envelope(apiVersion: string, kind: string): Writer {
  const writer = protobuf.Writer.create();
  for (const byte of magic) writer.uint32(byte);
  return nested(writer, 1, (meta) => meta.uint32(tag(1, LEN)).string(apiVersion).uint32(tag(2, LEN)).string(kind));
}

const enveloped = (apiVersion: string, kind: string, raw: Uint8Array): Writer =>
  envelope(apiVersion, kind).uint32(tag(2, LEN)).bytes(raw);

function encodeMessage(message: Message, value: JsonObject): Uint8Array {
  const writer = protobuf.Writer.create();
  writeMessage(writer, message, value);
  return writer.finish();
}

/** A field that is a message of its own. */
function nested(writer: Writer, number: number, write: (writer: Writer) => void): Writer {
  writer.uint32(tag(number, LEN)).fork();
  write(writer);
  return writer.ldelim();
}

function writeMessage(writer: Writer, message: Message, value: JsonObject): void {
  for (const [number, field] of message) {
    if ('inline' in field) {
      const { inline } = field;
      nested(writer, number, () => writeMessage(writer, inline, value));
      continue;
    }
    const present = value[field.name];
    if (present !== undefined && present !== null) writeField(writer, number, field, present);
  }
}

function writeField(
  writer: Writer,
  number: number,
  { type, form }: MessageField & { type: Type },
  value: unknown,
): void {
  switch (type.kind) {
    case 'list':
      if (form) writeValue(writer, number, type, value);
      else for (const item of value as readonly unknown[]) writeValue(writer, number, type.items, item);
      return;
    case 'map':
      for (const [key, each] of Object.entries(value as JsonObject)) {
        nested(writer, number, () => {
          writer.uint32(tag(1, LEN)).string(key);
          if (form) writeForm(writer, 2, form, each);
          else writeValue(writer, 2, type.values, each);
        });
      }
      return;
    default:
      if (form) writeForm(writer, number, form, value);
      else writeValue(writer, number, type, value);
  }
}

function writeValue(writer: Writer, number: number, type: Type, value: unknown): void {
  switch (type.kind) {
    case 'scalar':
      writeScalar(writer, number, type.scalar, value);
      return;
    case 'struct': {
      const message = messages().of(type.definition.name) ?? new Map();
      nested(writer, number, () => writeMessage(writer, message, (value ?? {}) as JsonObject));
      return;
    }
    case 'list':
      // A list that stands in a map has a message of its own around it: { items = 1 }.
      nested(writer, number, () => {
        for (const item of (value ?? []) as readonly unknown[]) writeValue(writer, 1, type.items, item);
      });
      return;
    case 'map':
      throw new Error('no message of Kubernetes has a map in a map');
  }
}

function writeScalar(writer: Writer, number: number, scalar: Scalar, value: unknown): void {
  switch (scalar) {
    case 'boolean':
      writer.uint32(tag(number, VARINT)).bool(value === true);
      return;
    case 'int32':
    case 'int64':
      writer.uint32(tag(number, VARINT)).int64(Number(value));
      return;
    case 'double':
      writer.uint32(tag(number, I64)).double(Number(value));
      return;
    case 'bytes':
      writer.uint32(tag(number, LEN)).bytes(Buffer.from(String(value ?? ''), 'base64'));
      return;
    case 'string':
      writer.uint32(tag(number, LEN)).string(String(value ?? ''));
      return;
    default:
      nested(writer, number, () => writeWrapped(writer, scalar, value));
  }
}

/** What is a string, a number or anything in JSON, and a message in protobuf. */
function writeWrapped(
  writer: Writer,
  scalar: 'Time' | 'MicroTime' | 'Quantity' | 'IntOrString' | 'any',
  value: unknown,
): void {
  switch (scalar) {
    case 'Quantity':
      writer.uint32(tag(1, LEN)).string(String(value ?? ''));
      return;
    case 'IntOrString':
      // `{ type = 1, intVal = 2, strVal = 3 }`, where type 1 is a string.
      if (typeof value === 'number') writer.uint32(tag(2, VARINT)).int64(value);
      else writer.uint32(tag(1, VARINT)).int64(1).uint32(tag(3, LEN)).string(String(value));
      return;
    case 'any':
      writer.uint32(tag(1, LEN)).string(JSON.stringify(value, inOrder));
      return;
    default:
      writeTime(writer, String(value));
  }
}

/** `{ seconds = 1, nanos = 2 }` of an RFC 3339 time. */
function writeTime(writer: Writer, text: string): void {
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds)) return;
  writer.uint32(tag(1, VARINT)).int64(Math.floor(milliseconds / 1000));
  const decimals = /\.(\d+)/.exec(text)?.[1];
  if (decimals) writer.uint32(tag(2, VARINT)).int64(Number(decimals.slice(0, 9).padEnd(9, '0')));
}

/** See {@link Form}. */
function writeForm(writer: Writer, number: number, form: Form, value: unknown): void {
  const schema = (field: number, each: unknown) =>
    nested(writer, field, () => writeMessage(writer, schemaMessage(), each as JsonObject));
  nested(writer, number, () => {
    switch (form) {
      case 'JSONSchemaPropsOrArray':
        if (Array.isArray(value)) for (const each of value) schema(2, each);
        else schema(1, value);
        return;
      case 'JSONSchemaPropsOrBool':
        writer.uint32(tag(1, VARINT)).bool(value !== false);
        if (typeof value === 'object') schema(2, value);
        return;
      case 'JSONSchemaPropsOrStringArray':
        if (Array.isArray(value)) for (const each of value) writeScalar(writer, 2, 'string', each);
        else schema(1, value);
    }
  });
}

/** Raw JSON has its keys in order, as Go writes it: clients compare the bytes with what they read in JSON. */
function inOrder(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
