import type { FieldError } from '../api/kind.ts';
import type { Resource } from '../api/resource.ts';
import type { Status } from '../api/types.ts';
import { KnitError, messageOf } from '../base/errors.ts';
import { Compacted } from '../store/store.ts';

/** What a client gets instead of its answer, in Kubernetes' own form (meta.k8s.io/v1 Status). */
export class StatusError extends Error {
  readonly status: Status;
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    code: number,
    reason: string,
    message: string,
    details?: Status['details'],
    headers: Record<string, string> = {},
  ) {
    super(message);
    this.name = 'StatusError';
    this.headers = headers;
    this.status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code };
  }
  get code(): number {
    return this.status.code ?? 500;
  }
}

type Named = Pick<Resource, 'group' | 'plural'>;

/** `deployments.apps`, `pods`. */
export function qualified(resource: Named): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

const detailsOf = (resource: Named, name: string) => ({
  name,
  group: resource.group || undefined,
  kind: resource.plural,
});

export const badRequest = (message: string) => new StatusError(400, 'BadRequest', message);

export const unauthorized = () => new StatusError(401, 'Unauthorized', 'Unauthorized');

export const notFound = (resource: Named, name: string) =>
  new StatusError(404, 'NotFound', `${qualified(resource)} "${name}" not found`, detailsOf(resource, name));

/** No such path, or a resource that is not known. */
export const noSuchPath = () =>
  new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});

export const methodNotAllowed = (why = 'the server does not allow this method on the requested resource') =>
  new StatusError(405, 'MethodNotAllowed', why, {});

export const notAcceptable = (offered: readonly string[]) =>
  new StatusError(406, 'NotAcceptable', `only the following media types are accepted: ${offered.join(', ')}`);

export const unsupportedMediaType = (offered: readonly string[]) =>
  new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${offered.join(', ')}`,
  );

export const tooLarge = (limit: number) =>
  new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`);

export const alreadyExists = (resource: Named, name: string) =>
  new StatusError(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`, detailsOf(resource, name));

export const objectModified = (resource: Named, name: string) =>
  conflict(
    resource,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );

export const conflict = (resource: Named, name: string, why: string) =>
  new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    detailsOf(resource, name),
  );

export const forbidden = (
  resource: Named,
  name: string,
  why: string,
  causes?: NonNullable<Status['details']>['causes'],
) =>
  new StatusError(
    403,
    'Forbidden',
    name === ''
      ? `${qualified(resource)} is forbidden: ${why}`
      : `${qualified(resource)} "${name}" is forbidden: ${why}`,
    { ...detailsOf(resource, name), causes },
  );

/** @param continueToken Where a list may go on all the same. */
export function expired(message: string, continueToken?: string): StatusError {
  const error = new StatusError(410, 'Expired', message);
  if (continueToken) error.status.metadata = { continue: continueToken };
  return error;
}

export function invalid(
  kind: Pick<Resource, 'group' | 'kind'>,
  name: string,
  errors: readonly FieldError[],
): StatusError {
  // What is said twice, of the same field, is told once.
  const lines = [...new Set(errors.map((error) => `${error.field}: ${error.message}`))];
  const text = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  const title = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  return new StatusError(422, 'Invalid', `${title} "${name}" is invalid: ${text}`, {
    name,
    group: kind.group || undefined,
    kind: kind.kind,
    causes: errors.map(({ reason, message, field }) => ({ reason, message, field })),
  });
}

export const internalError = (why: string) =>
  new StatusError(500, 'InternalError', `Internal error occurred: ${why}`, { causes: [{ message: why }] });

/** RFC 4918 §11.5. Not an internal error: there is something that people can do. */
const insufficientStorage = (why: string) => new StatusError(507, 'InsufficientStorage', why);

/** Whatever was thrown, as an answer. */
export function toStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (error instanceof Compacted)
    return expired(`The resourceVersion for the provided list is too old: ${error.message}`);
  if (error instanceof KnitError) {
    const why = error.hint ? `${error.message} (${error.hint})` : error.message;
    return error.code === 'STORE_FULL' ? insufficientStorage(why) : internalError(why);
  }
  return internalError(messageOf(error));
}
