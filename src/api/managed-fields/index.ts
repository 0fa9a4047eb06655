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
export { type Place, placeOf } from './place.ts';
