import type { Kind } from '../../api/kind.ts';
import { parseFieldSelector, parseLabelSelector } from '../../api/selectors.ts';
import { KnitError } from '../../base/errors.ts';
import type { CachedObject } from '../cache/object.ts';
import { badRequest } from '../errors.ts';
import type { ResourceTarget } from '../request.ts';

/** Which objects of a collection a request is about. */
export interface Selection {
  /** Nothing is left out: nobody need look. */
  readonly everything: boolean;
  matches(object: CachedObject): boolean;
}

const all: Selection = { everything: true, matches: () => true };

/** The selection of a request's `labelSelector`, `fieldSelector` and (a watch of one object) name. */
export function selectionOf(kind: Kind, target: ResourceTarget, query: URLSearchParams): Selection {
  const [labelText, fieldText] = [query.get('labelSelector') ?? '', query.get('fieldSelector') ?? ''];
  if (labelText === '' && fieldText === '' && target.name === '') return all;
  const labels = refusing(() => parseLabelSelector(labelText));
  const fields = refusing(() => parseFieldSelector(fieldText));
  for (const { field } of fields.requirements) assertOffered(kind, field);
  return {
    everything: false,
    matches: (object) =>
      (target.name === '' || object.field('metadata.name') === target.name) &&
      (labelText === '' || labels.matches(object.labels)) &&
      (fieldText === '' || fields.matches((field) => object.field(field) ?? '')),
  };
}

function assertOffered(kind: Kind, field: string): void {
  if (field === 'metadata.name' || (field === 'metadata.namespace' && kind.namespaced)) return;
  if (field in kind.fieldLabels) return;
  throw badRequest(`field label not supported: ${field}`);
}

function refusing<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof KnitError) throw badRequest(error.message);
    throw error;
  }
}
