export { atomicPathsOf } from './atomics.ts';
export { fieldSetOf } from './extract.ts';
export { difference, type FieldSet, formatPath, isEmpty, pathsOf } from './field-set.ts';
export {
  type Applied,
  applyConfiguration,
  type Conflict,
  fieldsOf,
  type ManagedFieldsEntry,
  recordUpdate,
  type Writer,
} from './managers.ts';
export { merge } from './merge.ts';
export { misnamedItems } from './misnamed.ts';
export { type Place, placeOf } from './place.ts';
