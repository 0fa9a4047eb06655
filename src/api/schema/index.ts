export { type CheckOptions, type CheckResult, cannotBeHandled, check, strictMessages, strictReason } from './check.ts';
export { duplicateFields } from './duplicates.ts';
export { loadDescriptions, loadProtobufFields, loadSchema } from './load.ts';
export { definitionOf } from './names.ts';
export type { Definition, Field, Schema, Type } from './schema.ts';
