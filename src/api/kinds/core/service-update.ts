import type { FieldError } from '../../kind.ts';
import type { Service } from '../../types.ts';
import { all, forbidden, invalid, sameValue } from '../errors.ts';

type Spec = NonNullable<Service['spec']>;

/**
 * What an author left out of an update stays as it was given (address, node ports), and what the new type cannot
 * have goes, unless the author changed it on purpose: then validation says so.
 */
export function keepAllocated(spec: Spec, old: Spec): void {
  if (hasAddress(old) && hasAddress(spec)) keepAddress(spec, old);
  // Who knows of one address only may change that one.
  if (spec.clusterIP && spec.clusterIP !== old.clusterIP && sameValue(spec.clusterIPs, old.clusterIPs)) {
    spec.clusterIPs = [spec.clusterIP];
  }
  if (givesNodePorts(old) && givesNodePorts(spec)) keepNodePorts(spec, old);
  if (isChecked(old) && isChecked(spec)) spec.healthCheckNodePort ||= old.healthCheckNodePort;
  if (hasAddress(old) && !hasAddress(spec)) dropAddress(spec, old);
  if (hasNodePorts(old) && !hasNodePorts(spec)) dropNodePorts(spec, old);
  dropUnneeded(spec, old);
}

const hasAddress = ({ type }: Spec) => type !== 'ExternalName';
const isBalancer = ({ type }: Spec) => type === 'LoadBalancer';
export const hasNodePorts = ({ type }: Spec) => type === 'NodePort' || type === 'LoadBalancer';
/** A load balancer may go without. */
const givesNodePorts = (spec: Spec) =>
  hasNodePorts(spec) && (!isBalancer(spec) || spec.allocateLoadBalancerNodePorts !== false);
/** Whether a port of its own tells load balancers which nodes have endpoints. */
const isChecked = (spec: Spec) => isBalancer(spec) && spec.externalTrafficPolicy === 'Local';
/** Whether traffic from outside the cluster is meant to reach it. */
export const isReachable = (spec: Spec) =>
  hasNodePorts(spec) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);

function keepAddress(spec: Spec, old: Spec): void {
  spec.clusterIP ||= old.clusterIP;
  if (!spec.clusterIPs?.length && old.clusterIPs) spec.clusterIPs = [...old.clusterIPs];
  spec.ipFamilyPolicy ??= old.ipFamilyPolicy;
  spec.ipFamilies ??= old.ipFamilies && [...old.ipFamilies];
  if (spec.ipFamilyPolicy === 'SingleStack' && old.ipFamilyPolicy !== 'SingleStack') dropSecondFamily(spec, old);
}

/** Who asks for one family again, and leaves the rest as it was, gives the second address back. */
function dropSecondFamily(spec: Spec, old: Spec): void {
  if (sameValue(spec.clusterIPs, old.clusterIPs)) spec.clusterIPs = spec.clusterIPs?.slice(0, 1);
  if (sameValue(spec.ipFamilies, old.ipFamilies)) spec.ipFamilies = spec.ipFamilies?.slice(0, 1);
}

/** Ports are the same by their names, whatever else was changed of them. */
function keepNodePorts(spec: Spec, old: Spec): void {
  const given = new Set((spec.ports ?? []).map((port) => port.nodePort));
  const before = new Map((old.ports ?? []).map(({ name = '', nodePort }) => [name, nodePort]));
  for (const port of spec.ports ?? []) {
    const had = before.get(port.name ?? '');
    if (!port.nodePort && had && !given.has(had)) port.nodePort = had;
  }
}

function dropAddress(spec: Spec, old: Spec): void {
  if (spec.clusterIP === old.clusterIP && sameValue(spec.clusterIPs, old.clusterIPs)) {
    delete spec.clusterIP;
    delete spec.clusterIPs;
  }
  if (sameValue(spec.ipFamilies, old.ipFamilies)) delete spec.ipFamilies;
  if (spec.ipFamilyPolicy === old.ipFamilyPolicy) delete spec.ipFamilyPolicy;
}

function dropNodePorts(spec: Spec, old: Spec): void {
  const before = new Set((old.ports ?? []).map((port) => port.nodePort));
  const ports = spec.ports ?? [];
  if (ports.some(({ nodePort }) => nodePort && !before.has(nodePort))) return;
  for (const port of ports) delete port.nodePort;
}

function dropUnneeded(spec: Spec, old: Spec): void {
  if (isChecked(old) && !isChecked(spec)) dropIfSame(spec, old, 'healthCheckNodePort');
  if (isBalancer(old) && !isBalancer(spec)) {
    dropIfSame(spec, old, 'allocateLoadBalancerNodePorts');
    dropIfSame(spec, old, 'loadBalancerClass');
  }
  if (isReachable(old) && !isReachable(spec)) dropIfSame(spec, old, 'externalTrafficPolicy');
}

function dropIfSame(spec: Spec, old: Spec, field: keyof Spec): void {
  if (spec[field] === old[field]) delete spec[field];
}

/** What a Service keeps for as long as it has it. */
export function validateServiceUpdate(spec: Spec, old: Spec): FieldError[] {
  const stays = hasAddress(spec) && hasAddress(old);
  const isHeadless = ({ clusterIPs }: Spec) => clusterIPs?.[0] === 'None';
  const headless = [isHeadless(spec), isHeadless(old)];
  return all(
    stays && !headless.every(Boolean) && validateAddresses(spec, old),
    stays && !headless.some(Boolean) && validateFamilies(spec, old),
    isBalancer(old) &&
      isBalancer(spec) &&
      spec.loadBalancerClass !== old.loadBalancerClass && [
        invalid('spec.loadBalancerClass', spec.loadBalancerClass, 'may not change once set'),
      ],
    isChecked(old) &&
      isChecked(spec) &&
      spec.healthCheckNodePort !== old.healthCheckNodePort && [
        forbidden('spec.healthCheckNodePort', 'field is immutable'),
      ],
  );
}

const once = 'may not change once set';

function validateAddresses(
  { clusterIPs: now = [], ipFamilyPolicy }: Spec,
  { clusterIPs: old = [] }: Spec,
): FieldError[] {
  const field = 'spec.clusterIPs';
  if (now.length === old.length) {
    return old.flatMap((address, i) => (address === now[i] ? [] : [invalid(`${field}[${i}]`, now, once)]));
  }
  const isReleased = now.length === 1 && old.length > 1 && ipFamilyPolicy !== 'SingleStack';
  return all(
    now.length === 0 && [invalid(`${field}[0]`, now, 'primary clusterIP can not be unset')],
    now.length > 0 && old.length > 0 && now[0] !== old[0] && [invalid(`${field}[0]`, now, once)],
    isReleased && [mustBeSingle(ipFamilyPolicy, 'clusterIP')],
  );
}

function validateFamilies(spec: Spec, { ipFamilies: old = [] }: Spec): FieldError[] {
  const { ipFamilies: now = [], clusterIPs = [], ipFamilyPolicy } = spec;
  const field = 'spec.ipFamilies[0]';
  if (now.length === old.length)
    return old.flatMap((family, i) => (family === now[i] ? [] : [invalid(field, now, once)]));
  const isReleased = now.length === 1 && old.length > 1 && ipFamilyPolicy !== 'SingleStack';
  return all(
    // Kubernetes, too, shows the addresses here.
    now.length > 0 && old.length > 0 && now[0] !== old[0] && [invalid(field, clusterIPs, once)],
    isReleased && [mustBeSingle(ipFamilyPolicy, 'ipFamily')],
  );
}

const mustBeSingle = (policy: string | undefined, what: string): FieldError =>
  invalid('spec.ipFamilyPolicy', policy, `must be set to 'SingleStack' when releasing the secondary ${what}`);
