import type { FieldError } from '../../kind.ts';
import type { Secret } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { forbidden, invalid, required, sameValue, tooLong, unchanged } from '../errors.ts';
import { validateDataKey } from './config-map.ts';

const maxBytes = 1024 * 1024;
const serviceAccountName = 'kubernetes.io/service-account.name';

/** Data that a type of secret must hold. */
const neededKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

export const secret = defineKind<Secret>({
  group: '',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  setDefaults,
  validate(object, old): FieldError[] {
    return [
      ...validateData(object),
      ...validateType(object),
      ...(old ? unchanged('type', object.type, old.type) : []),
      ...(old?.immutable ? validateUnchanged(object, old) : []),
    ];
  },
  fieldLabels: { type: ({ type }) => type ?? '' },
  columns: [
    nameColumn,
    text('Type', ({ type }) => type ?? '', 'What its data is for.'),
    text('Data', ({ data }) => Object.keys(data ?? {}).length, 'How many entries it has.'),
    ageColumn,
  ],
});

/** `stringData` is only a way to write `data`. */
function setDefaults(object: Secret): void {
  object.type ||= 'Opaque';
  for (const [key, value] of Object.entries(object.stringData ?? {})) {
    object.data ??= {};
    object.data[key] = Buffer.from(value).toString('base64');
  }
  delete object.stringData;
}

function validateData({ data = {} }: Secret): FieldError[] {
  const errors = Object.keys(data).flatMap((key) => validateDataKey(key, `data[${key}]`));
  const size = Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value ?? '', 'base64'), 0);
  return size > maxBytes ? [...errors, tooLong('data', maxBytes)] : errors;
}

function validateType({ type = '', data = {}, metadata }: Secret): FieldError[] {
  if (type === 'kubernetes.io/service-account-token') {
    return metadata?.annotations?.[serviceAccountName] ? [] : [required(`metadata.annotations[${serviceAccountName}]`)];
  }
  if (type === 'kubernetes.io/basic-auth' && !('username' in data) && !('password' in data)) {
    return [required('data[username]'), required('data[password]')];
  }
  return (neededKeys[type] ?? []).flatMap((key) => {
    if (!(key in data)) return [required(`data[${key}]`)];
    const isJson = key.startsWith('.docker') ? parsesAsJson(data[key] ?? '') : true;
    return isJson ? [] : [invalid(`data[${key}]`, '<secret contents redacted>', 'must be valid JSON')];
  });
}

function parsesAsJson(base64: string): boolean {
  try {
    JSON.parse(Buffer.from(base64, 'base64').toString());
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function validateUnchanged(object: Secret, old: Secret): FieldError[] {
  const detail = 'field is immutable when `immutable` is set';
  return [
    ...(object.immutable ? [] : [forbidden('immutable', detail)]),
    ...(sameValue(object.data, old.data) ? [] : [forbidden('data', detail)]),
  ];
}
