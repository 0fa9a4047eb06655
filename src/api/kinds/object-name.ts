import type { FieldError } from '../kind.ts';
import { all, invalid, named } from './errors.ts';
import { dnsSubdomain, pathSegment } from './names.ts';

/** Which object is meant, where only its group may be left out. */
export function validateObjectName(
  { apiGroup, kind, name }: { apiGroup?: string; kind?: string; name?: string },
  field: string,
): FieldError[] {
  const wrongGroup = apiGroup === undefined ? undefined : dnsSubdomain(apiGroup);
  return all(
    wrongGroup && [invalid(`${field}.apiGroup`, apiGroup, wrongGroup)],
    named(`${field}.kind`, kind, pathSegment),
    named(`${field}.name`, name, pathSegment),
  );
}
