import type { FieldError } from '../kind.ts';
import { all, each, invalid, required, ruled } from './errors.ts';
import { dnsLabel1035 } from './names.ts';

/** The versions of AdmissionReview and of ConversionReview that Kubernetes knows. */
const known = ['v1', 'v1beta1'];

/** Which versions of a review a webhook takes. `needsKnown`: one of them at least must be known. */
export function validateReviewVersions(versions: readonly string[], field: string, needsKnown: boolean): FieldError[] {
  if (versions.length === 0) return [required(field, `must specify one of ${known.join(', ')}`)];
  return all(
    each(versions, field, (version, path, index) =>
      versions.indexOf(version) < index
        ? [invalid(path, version, 'duplicate version')]
        : ruled(path, version, dnsLabel1035),
    ),
    needsKnown &&
      !isReviewed(versions) && [invalid(field, versions, `must include at least one of ${known.join(', ')}`)],
  );
}

/** Whether one of the versions is known, or none is named. */
export function isReviewed(versions: readonly string[]): boolean {
  return versions.length === 0 || versions.some((version) => known.includes(version));
}
