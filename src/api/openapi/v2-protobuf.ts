import protobuf from 'protobufjs/minimal.js';
import type { OpenApiDocument } from './v3.ts';

/** What Go clients ask `/openapi/v2` for. */
export const openapiV2ProtobufType = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

/**
 * An OpenAPI 2.0 document as gnostic's protobuf message `openapi.v2.Document`, the only form that client-go reads.
 * Writes what {@link openapiV2} makes and nothing else that OpenAPI has.
 *
 * Source of the field numbers: github.com/google/gnostic-models, openapiv2/OpenAPIv2.proto.
 */
export function openapiV2Protobuf(document: OpenApiDocument): Uint8Array {
  const info = record(document.info);
  const whole = message(
    string(1, document.swagger),
    nested(2, message(string(1, info.title), string(2, info.version))),
    nested(8, named(2, document.paths, pathItem)),
    nested(9, named(1, document.definitions, schema)),
  );
  const out = protobuf.Writer.create();
  whole(out);
  return out.finish();
}

type Json = Record<string, unknown>;
/** Writes some fields of a message. */
type Part = (out: protobuf.Writer) => unknown;
type Write = (value: Json) => Part;

/** Wire types: protobuf.dev/programming-guides/encoding */
const VARINT = 0;
const LENGTH_DELIMITED = 2;

const record = (value: unknown): Json => (value ?? {}) as Json;
const list = (value: unknown): Json[] => (value ?? []) as Json[];
const strings = (value: unknown): string[] => (value ?? []) as string[];

const methods = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

function pathItem(item: Json): Part {
  return message(
    ...Object.entries(methods).map(([method, number]) =>
      item[method] === undefined ? empty : nested(number, operation(record(item[method]))),
    ),
    ...list(item.parameters).map((one) => nested(9, parameter(one))),
  );
}

function operation(value: Json): Part {
  return message(
    string(3, value.description),
    string(5, value.operationId),
    ...strings(value.produces).map((type) => string(6, type)),
    ...strings(value.consumes).map((type) => string(7, type)),
    ...list(value.parameters).map((one) => nested(8, parameter(one))),
    nested(
      9,
      named(1, value.responses, (one) => nested(1, response(one))),
    ),
    ...extensions(13, value),
  );
}

function response(value: Json): Part {
  const body = value.schema === undefined ? empty : nested(2, nested(1, schema(record(value.schema))));
  return message(string(1, value.description), body);
}

/** ParametersItem → Parameter → the one of its forms. */
function parameter(value: Json): Part {
  const { description, name, required, type } = value;
  switch (value.in) {
    case 'body': {
      const parts = [string(1, description), string(2, name), string(3, 'body'), bool(4, required)];
      return nested(1, nested(1, message(...parts, nested(5, schema(record(value.schema))))));
    }
    case 'query': {
      const parts = [bool(1, required), string(2, 'query'), string(3, description), string(4, name), string(6, type)];
      return nested(1, nested(2, nested(3, message(...parts, bool(20, value.uniqueItems)))));
    }
    default: {
      const parts = [bool(1, required), string(2, 'path'), string(3, description), string(4, name), string(5, type)];
      return nested(1, nested(2, nested(4, message(...parts, bool(19, value.uniqueItems)))));
    }
  }
}

function schema(value: Json): Part {
  const { additionalProperties, items, properties, type } = value;
  return message(
    string(1, value.$ref),
    string(2, value.format),
    string(4, value.description),
    ...strings(value.required).map((name) => string(19, name)),
    additionalProperties === undefined ? empty : nested(21, nested(1, schema(record(additionalProperties)))),
    type === undefined ? empty : nested(22, string(1, type)),
    items === undefined ? empty : nested(23, nested(1, schema(record(items)))),
    properties === undefined ? empty : nested(25, named(1, properties, schema)),
    ...extensions(31, value),
  );
}

/** `x-…` keys as `NamedAny { name, value: Any { yaml } }`; JSON is YAML. */
function extensions(number: number, value: Json): Part[] {
  return Object.entries(value)
    .filter(([key]) => key.startsWith('x-'))
    .map(([key, extension]) =>
      nested(number, message(string(1, key), nested(2, string(2, `${JSON.stringify(extension)}\n`)))),
    );
}

/** A map as a list of `{ name = 1, value = 2 }`. */
function named(number: number, values: unknown, write: Write): Part {
  return message(
    ...Object.entries(record(values)).map(([name, value]) =>
      nested(number, message(string(1, name), nested(2, write(record(value))))),
    ),
  );
}

// --- the wire

const empty: Part = () => undefined;

const message =
  (...parts: Part[]): Part =>
  (out) => {
    for (const part of parts) part(out);
  };

const nested =
  (number: number, content: Part): Part =>
  (out) => {
    content(out.uint32((number << 3) | LENGTH_DELIMITED).fork());
    out.ldelim();
  };

const string = (number: number, text: unknown): Part =>
  typeof text === 'string' && text !== '' ? (out) => out.uint32((number << 3) | LENGTH_DELIMITED).string(text) : empty;

const bool = (number: number, value: unknown): Part =>
  value === true ? (out) => out.uint32((number << 3) | VARINT).bool(true) : empty;
