import type { Handler } from '../registry/handlers.ts';
import type { KindRequest } from '../request.ts';

/** Subresources that are more than a part of the object, by `plural/subresource`. */
const handlers: Readonly<Record<string, Handler>> = {};

/** The handler of a request's subresource; `undefined` where the generic one serves it (`status`). */
export function subresourceHandler({ target }: KindRequest): Handler | undefined {
  return handlers[`${target.plural}/${target.subresource}`];
}
