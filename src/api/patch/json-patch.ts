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
  if (!Array.isArray(operations)) throw malformed('a JSON patch is a list of operations');
  if (operations.length > mostOperations) {
    throw malformed(`The allowed maximum operations in a JSON patch is ${mostOperations}, got ${operations.length}`);
  }
  return operations.map((operation) => {
    if (!isObject(operation)) throw malformed('an operation of a JSON patch is an object');
    if (typeof operation.op !== 'string') throw malformed('operation does not have an op');
    if (typeof operation.path !== 'string') throw malformed(`${operation.op} operation does not have a path`);
    return operation as unknown as Operation;
  });
}

interface Holder {
  root: Json;
}

function apply(holder: Holder, operation: Operation): void {
  const { op, path } = operation;
  if (op === 'add') add(holder, op, path, clone(givenValue(operation)));
  else if (op === 'remove') remove(holder, op, path);
  else if (op === 'replace') replace(holder, path, clone(givenValue(operation)));
  else if (op === 'move') add(holder, op, path, remove(holder, op, givenFrom(operation)));
  else if (op === 'copy') add(holder, op, path, clone(read(holder, op, givenFrom(operation))));
  else if (op === 'test') test(holder, operation);
  else throw malformed(`Unexpected kind: ${op}`);
}

function add(holder: Holder, op: string, path: string, value: Json): void {
  const target = locate(holder, op, path);
  if (!target) {
    holder.root = value;
    return;
  }
  const { parent, key } = target;
  if (!Array.isArray(parent)) set(parent, key, value);
  else parent.splice(key === '-' ? parent.length : listIndex(op, path, key, parent.length), 0, value);
}

function remove(holder: Holder, op: string, path: string): Json {
  const target = locate(holder, op, path);
  if (!target) throw missing(op, path);
  const value = child(target.parent, target.key);
  if (value === undefined) throw missing(op, path);
  if (Array.isArray(target.parent)) target.parent.splice(Number(target.key), 1);
  else delete target.parent[target.key];
  return value;
}

function replace(holder: Holder, path: string, value: Json): void {
  const target = locate(holder, 'replace', path);
  if (!target) {
    holder.root = value;
    return;
  }
  if (child(target.parent, target.key) === undefined) {
    throw notApplicable(`replace operation does not apply: doc is missing key: ${path}: missing value`);
  }
  if (Array.isArray(target.parent)) target.parent[Number(target.key)] = value;
  else set(target.parent, target.key, value);
}

function read(holder: Holder, op: string, path: string): Json {
  const target = locate(holder, op, path);
  const value = target ? child(target.parent, target.key) : holder.root;
  if (value === undefined) throw missing(op, path);
  return value;
}

/** A missing value passes for null, as it does in Kubernetes. */
function test(holder: Holder, operation: Operation): void {
  const target = locate(holder, 'test', operation.path);
  const value = target ? child(target.parent, target.key) : holder.root;
  if (equal(value ?? null, operation.value ?? null)) return;
  throw notApplicable(`testing value ${operation.path} failed: test failed`);
}

/** The container that the last part of a JSON pointer (RFC 6901) names a child of; `undefined` for the root. */
function locate(
  holder: Holder,
  op: string,
  path: string,
): { parent: Json[] | Record<string, Json>; key: string } | undefined {
  if (path === '') return undefined;
  if (!path.startsWith('/')) throw missing(op, path);
  const keys = path
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const key = keys.pop()!;
  let parent: Json | undefined = holder.root;
  for (const part of keys) parent = child(parent, part);
  if (!Array.isArray(parent) && !isObject(parent)) throw missing(op, path);
  return { parent, key };
}

function child(parent: Json | undefined, key: string): Json | undefined {
  if (Array.isArray(parent)) return /^(?:0|[1-9]\d*)$/.test(key) ? parent[Number(key)] : undefined;
  return isObject(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined;
}

function listIndex(op: string, path: string, key: string, length: number): number {
  const index = /^(?:0|[1-9]\d*)$/.test(key) ? Number(key) : Number.NaN;
  if (index <= length) return index;
  throw notApplicable(
    `${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: Unable to access invalid index: ${key}: invalid index referenced`,
  );
}

function givenValue(operation: Operation): Json {
  if (operation.value !== undefined) return operation.value;
  throw malformed(`${operation.op} operation ${JSON.stringify(operation.path)} does not have a value`);
}

function givenFrom(operation: Operation): string {
  if (typeof operation.from === 'string') return operation.from;
  throw malformed(`${operation.op} operation ${JSON.stringify(operation.path)} does not have a from`);
}

const malformed = (message: string) => new PatchError('PATCH_MALFORMED', message);
const notApplicable = (message: string) => new PatchError('PATCH_NOT_APPLICABLE', message);
const missing = (op: string, path: string) =>
  notApplicable(`${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`);
