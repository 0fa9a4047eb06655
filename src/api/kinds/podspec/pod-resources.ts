import type { FieldError } from '../../kind.ts';
import { containerQuantities } from '../../pod-resources.ts';
import { compareQuantities, formatQuantity, parseQuantity } from '../../quantity.ts';
import type { PodSpec } from '../../types.ts';
import { all, forbidden, invalid, notSupported } from '../errors.ts';
import { validateResourceName } from '../resource-names.ts';
import { validateRequirements } from './resources.ts';

// What a pod asks for as a whole (KEP-2837).

const isOfPods = (name: string): boolean => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

/** Requests follow from what the containers ask for, and then from the pod's own limits. */
export function setPodRequests(spec: PodSpec): void {
  const { resources } = spec;
  if (!resources?.limits) return;
  const limits = Object.entries(resources.limits);
  if (limits.length === 0) return;
  const asked = [...containerQuantities(spec, 'requests')].map(([name, amount]) => [name, formatQuantity(amount)]);
  const ofContainers = asked.filter(([name]) => name === 'cpu' || name === 'memory');
  const ofPod = limits.filter(([name]) => isOfPods(name));
  resources.requests = { ...Object.fromEntries([...ofPod, ...ofContainers]), ...resources.requests };
}

export function validatePodResources(spec: PodSpec, field: string): FieldError[] {
  const { resources } = spec;
  if (!resources) return [];
  const claims = (spec.resourceClaims ?? []).map(({ name }) => name);
  return all(
    resources.claims && [forbidden(`${field}.claims`, 'claims may not be set for Resources at pod-level')],
    validateRequirements(resources, validatePodResource, field, claims),
    validateContainersWithin(spec, field),
  );
}

function validatePodResource(name: string, field: string): FieldError[] {
  const wrong = validateResourceName(name, field);
  if (wrong.length > 0 || isOfPods(name)) return wrong;
  return [notSupported(field, name, ['cpu', 'hugepages-', 'memory'])];
}

function validateContainersWithin(spec: PodSpec, field: string): FieldError[] {
  const { limits = {}, requests = {} } = spec.resources ?? {};
  const asked = [...containerQuantities(spec, 'requests')].flatMap(([name, sum]) => {
    const ofPod = requests[name];
    if (ofPod === undefined || compareQuantities(sum, parseQuantity(ofPod)) <= 0) return [];
    const detail = `must be greater than or equal to aggregate container requests of ${formatQuantity(sum)}`;
    return [invalid(`${field}.requests[${name}]`, ofPod, detail)];
  });
  const limited = (spec.containers ?? []).flatMap((container, i) =>
    Object.entries(container.resources?.limits ?? {}).flatMap(([name, limit]) => {
      const ofPod = limits[name];
      if (ofPod === undefined || compareQuantities(parseQuantity(limit), parseQuantity(ofPod)) <= 0) return [];
      const at = `${field}.containers[${i}][${name}].limits`;
      return [invalid(at, limit, `must be less than or equal to pod limits of ${ofPod}`)];
    }),
  );
  return [...asked, ...limited];
}
