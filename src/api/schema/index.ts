export { type CheckOptions, type CheckResult, cannotBeHandled, check, strictMessages, strictReason } from './check.ts';
export { duplicateFields } from './duplicates.ts';
export { loadDescriptions, loadSchema } from './load.ts';
export type { Definition, Field, Schema, Type } from './schema.ts';
