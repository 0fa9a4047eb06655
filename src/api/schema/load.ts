import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KnitError } from '../../base/errors.ts';
import { type CompactSchema, compactFormat, type Descriptions, type ProtobufFields } from './compact.ts';
import { createSchema, type Schema } from './schema.ts';

let schema: Schema | undefined;
let descriptions: Descriptions | undefined;
let protobufFields: ProtobufFields | undefined;

/**
 * The schema of all built-in kinds, read once a process from `schema.json` beside the bundle, or in `dist/` of a
 * source checkout, where it is generated if it is missing.
 *
 * @throws KnitError `SCHEMA_MISSING`
 */
export function loadSchema(): Schema {
  schema ??= createSchema(readCompact());
  return schema;
}

/** The texts of `kubectl explain`: most of a megabyte, read when they are first asked for. */
export function loadDescriptions(): Descriptions {
  descriptions ??= JSON.parse(readFileSync(locate('descriptions.json'), 'utf8')) as Descriptions;
  return descriptions;
}

/** The field numbers of protobuf bodies, read when the first comes. */
export function loadProtobufFields(): ProtobufFields {
  protobufFields ??= JSON.parse(readFileSync(locate('proto-fields.json'), 'utf8')) as ProtobufFields;
  return protobufFields;
}

function readCompact(): CompactSchema {
  const found = JSON.parse(readFileSync(locate('schema.json'), 'utf8')) as CompactSchema;
  if (found.format === compactFormat) return found;
  return JSON.parse(readFileSync(generate('schema.json'), 'utf8')) as CompactSchema;
}

function locate(file: string): string {
  const beside = fileURLToPath(new URL(`./${file}`, import.meta.url));
  if (existsSync(beside)) return beside;
  const built = inDist(file);
  return existsSync(built) ? built : generate(file);
}

const inDist = (file: string): string => fileURLToPath(new URL(`../../../dist/${file}`, import.meta.url));

function generate(file: string): string {
  const script = fileURLToPath(new URL('../../../scripts/schema.ts', import.meta.url));
  if (!existsSync(script)) {
    throw new KnitError('SCHEMA_MISSING', `${file} is not beside ${import.meta.url}`, 'build it: npm run build');
  }
  execFileSync(process.execPath, [script], { stdio: ['ignore', 'ignore', 'inherit'], timeout: 30_000 });
  return inDist(file);
}
