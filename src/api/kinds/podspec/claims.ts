import type { FieldError } from '../../kind.ts';
import type { PodSpec } from '../../types.ts';
import { all, duplicate, each, invalid, named, ruled } from '../errors.ts';
import { dnsLabel, dnsSubdomain } from '../names.ts';

type Claim = NonNullable<PodSpec['resourceClaims']>[number];

/** Claims of devices, each there already or made from a template (KEP-4381). */
export function validateResourceClaims(claims: readonly Claim[], field: string): FieldError[] {
  return each(claims, field, (claim, at, i) => {
    const again = claim.name && claims.findIndex(({ name }) => name === claim.name) < i;
    return all(
      again ? [duplicate(`${at}.name`, claim.name)] : named(`${at}.name`, claim.name, dnsLabel),
      validateOrigin(claim, at),
    );
  });
}

function validateOrigin(claim: Claim, field: string): FieldError[] {
  const { resourceClaimName: name, resourceClaimTemplateName: template } = claim;
  const both = 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified';
  const none = 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`';
  return all(
    name !== undefined && template !== undefined && [invalid(field, shown(claim), both)],
    name === undefined && template === undefined && [invalid(field, shown(claim), none)],
    name !== undefined && ruled(`${field}.resourceClaimName`, name, dnsSubdomain),
    template !== undefined && ruled(`${field}.resourceClaimTemplateName`, template, dnsSubdomain),
  );
}

/** The claim as Kubernetes shows it: in its own spelling, all fields of it. */
const shown = ({ name, resourceClaimName, resourceClaimTemplateName }: Claim): object => ({
  Name: name ?? '',
  ResourceClaimName: resourceClaimName ?? null,
  ResourceClaimTemplateName: resourceClaimTemplateName ?? null,
});
