import type { FieldError } from '../../kind.ts';
import type { ConfigMap } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { forbidden, invalid, sameValue, tooLong } from '../errors.ts';
import { dataKey } from '../names.ts';

const maxBytes = 1024 * 1024;

export const configMap = defineKind<ConfigMap>({
  group: '',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
  shortNames: ['cm'],
  validate(object, old): FieldError[] {
    return [...validateData(object), ...(old?.immutable ? validateUnchanged(object, old) : [])];
  },
  columns: [
    nameColumn,
    text('Data', ({ data, binaryData }) => countOf(data) + countOf(binaryData), 'How many entries it has.'),
    ageColumn,
  ],
});

const countOf = (map: object | undefined) => Object.keys(map ?? {}).length;

function validateData({ data = {}, binaryData = {} }: ConfigMap): FieldError[] {
  const errors = [
    ...Object.keys(data).flatMap((key) => validateDataKey(key, `data[${key}]`)),
    ...Object.keys(binaryData).flatMap((key) => validateDataKey(key, `binaryData[${key}]`)),
    ...Object.keys(data)
      .filter((key) => key in binaryData)
      .map((key) => invalid(`data[${key}]`, key, 'duplicate of key present in binaryData')),
  ];
  const text = Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value), 0);
  const size = Object.values(binaryData).reduce((sum, value) => sum + Buffer.byteLength(value, 'base64'), text);
  return size > maxBytes ? [...errors, tooLong('', maxBytes)] : errors;
}

/** A key of data that is to become a file's name. */
export function validateDataKey(key: string, field: string): FieldError[] {
  const wrong = dataKey(key);
  return wrong ? [invalid(field, key, wrong)] : [];
}

function validateUnchanged(object: ConfigMap, old: ConfigMap): FieldError[] {
  const detail = 'field is immutable when `immutable` is set';
  return [
    ...(object.immutable ? [] : [forbidden('immutable', detail)]),
    ...(sameValue(object.data, old.data) ? [] : [forbidden('data', detail)]),
    ...(sameValue(object.binaryData, old.binaryData) ? [] : [forbidden('binaryData', detail)]),
  ];
}
