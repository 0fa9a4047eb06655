import { clone, equal, isObject, type Json, PatchError, set } from './json.ts';

/** One operation of RFC 6902. */
export interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: Json;
}

/** What Kubernetes allows in one patch. */
const mostOperations = 10_000;

/**
 * Applies a JSON patch (RFC 6902) to a copy of `document`.
 *
 * @throws PatchError `PATCH_MALFORMED` for what is no patch, `PATCH_NOT_APPLICABLE` for a path that is not there or a
 * test that fails, in the words of the library that Kubernetes uses
 */
export function applyJsonPatch(document: unknown, operations: unknown): Json {
  const parsed = parseOperations(operations);
  const holder = { root: clone(document as Json) };
  for (const operation of parsed) apply(holder, operation);
  return holder.root;
}

function parseOperations(operations: unknown): Operation[] {
  if (operations === null) return [];
  if (!Array.isArray(operations)) throw undecodable(operations, 'Go value of type []handlers.jsonPatchOp');
  if (operations.length > mostOperations) {
    throw malformed(`The allowed maximum operations in a JSON patch is ${mostOperations}, got ${operations.length}`);
  }
  return operations.map((operation) => {
    if (!isObject(operation)) throw undecodable(operation, 'Go value of type handlers.jsonPatchOp');
    for (const field of ['op', 'path', 'from']) {
      const value = operation[field] ?? '';
      if (typeof value !== 'string') throw undecodable(value, `Go struct field jsonPatchOp.${field} of type string`);
    }
    return operation as unknown as Operation;
  });
}

function undecodable(value: unknown, into: string): PatchError {
  const type = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return malformed(`error decoding patch: json: cannot unmarshal ${type} into ${into}`);
}

interface Holder {
  root: Json;
}

function apply(holder: Holder, operation: Operation): void {
  const { op, path } = operation;
  if (typeof op !== 'string') throw notApplicable('Unexpected kind: unknown');
  if (typeof path !== 'string') throw notApplicable(`${op} operation failed to decode path: missing value`);
  if (op === 'add') add(holder, op, path, clone(givenValue(operation)));
  else if (op === 'remove') remove(holder, op, path);
  else if (op === 'replace') replace(holder, path, clone(givenValue(operation)));
  else if (op === 'move') add(holder, op, path, remove(holder, op, givenFrom(operation)));
  else if (op === 'copy') add(holder, op, path, clone(read(holder, op, givenFrom(operation))));
  else if (op === 'test') test(holder, operation);
  else throw notApplicable(`Unexpected kind: ${op}`);
}

function add(holder: Holder, op: string, path: string, value: Json): void {
  const { parent, key } = locate(holder, op, path);
  if (!Array.isArray(parent)) set(parent, key, value);
  else parent.splice(key === '-' ? parent.length : listIndex(op, path, key, parent.length), 0, value);
}

function remove(holder: Holder, op: string, path: string): Json {
  const target = locate(holder, op, path);
  const value = child(target.parent, target.key);
  if (value === undefined) throw missing(op, path);
  if (Array.isArray(target.parent)) target.parent.splice(indexOf(target.parent, target.key), 1);
  else delete target.parent[target.key];
  return value;
}

/** A key of a map that is not there is added, as Kubernetes does it. */
function replace(holder: Holder, path: string, value: Json): void {
  if (path === '') {
    if (typeof value !== 'object' || value === null)
      throw notApplicable('replace operation value must be object or array');
    holder.root = value;
    return;
  }
  const { parent, key } = locate(holder, 'replace', path);
  if (!Array.isArray(parent)) set(parent, key, value);
  else if (child(parent, key) !== undefined) parent[indexOf(parent, key)] = value;
  else throw notApplicable(`replace operation does not apply: doc is missing key: ${path}: missing value`);
}

/** What a map does not have passes for null, as it does in Kubernetes. */
function read(holder: Holder, op: string, path: string): Json {
  const { parent, key } = locate(holder, op, path);
  const value = child(parent, key);
  if (value === undefined && Array.isArray(parent)) throw missing(op, path);
  return value ?? null;
}

function test(holder: Holder, operation: Operation): void {
  const { path, value = null } = operation;
  if (equal(path === '' ? holder.root : read(holder, 'test', path), value)) return;
  throw notApplicable(`testing value ${path} failed: test failed`);
}

/**
 * The container that the last part of a JSON pointer (RFC 6901) names a child of. What stands before the first slash is
 * not looked at.
 */
function locate(holder: Holder, op: string, path: string): { parent: Json[] | Record<string, Json>; key: string } {
  const [, ...keys] = path.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const key = keys.pop();
  let parent: Json | undefined = holder.root;
  for (const part of keys) parent = child(parent, part);
  if (key === undefined || (!Array.isArray(parent) && !isObject(parent))) throw missing(op, path);
  return { parent, key };
}

function child(parent: Json | undefined, key: string): Json | undefined {
  if (Array.isArray(parent)) return parent[indexOf(parent, key)];
  return isObject(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined;
}

/** A number as Go reads it: with a sign and zeros before it, if somebody wrote them. */
const asNumber = (key: string): number => (/^[+-]?\d+$/.test(key) ? Number(key) : Number.NaN);

/** Where an element is; from the end, where the number is negative. */
function indexOf(list: readonly Json[], key: string): number {
  const index = asNumber(key);
  return index < 0 ? index + list.length : index;
}

/** Where an element is put: `-1` is behind the last. */
function listIndex(op: string, path: string, key: string, length: number): number {
  const given = asNumber(key);
  const index = given < 0 ? given + length + 1 : given;
  if (index >= 0 && index <= length) return index;
  throw notApplicable(
    `${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: Unable to access invalid index: ${key}: invalid index referenced`,
  );
}

/** A missing value is null, as Kubernetes has it. */
const givenValue = (operation: Operation): Json => operation.value ?? null;

function givenFrom(operation: Operation): string {
  if (typeof operation.from === 'string') return operation.from;
  throw notApplicable(`${operation.op} operation failed to decode from: missing value`);
}

const malformed = (message: string) => new PatchError('PATCH_MALFORMED', message);
const notApplicable = (message: string) => new PatchError('PATCH_NOT_APPLICABLE', message);
const missing = (op: string, path: string) =>
  notApplicable(`${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`);
