import type { Service } from '../../types.ts';
import { sameValue } from '../errors.ts';

type Spec = NonNullable<Service['spec']>;

/**
 * What an author left out of an update stays as it was given (address, node ports), and what the new type cannot
 * have goes, unless the author changed it on purpose: then validation says so.
 */
export function keepAllocated(spec: Spec, old: Spec): void {
  const had = { address: hasAddress(old), nodePorts: hasNodePorts(old) };
  if (had.address && hasAddress(spec)) keepAddress(spec, old);
  if (had.nodePorts && hasNodePorts(spec)) keepNodePorts(spec, old);
  if (had.address && !hasAddress(spec)) dropAddress(spec, old);
  if (had.nodePorts && !hasNodePorts(spec)) dropNodePorts(spec, old);
  if (old.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') dropLoadBalancer(spec, old);
}

const hasAddress = ({ type }: Spec) => type !== 'ExternalName';
const hasNodePorts = ({ type }: Spec) => type === 'NodePort' || type === 'LoadBalancer';

function keepAddress(spec: Spec, old: Spec): void {
  spec.clusterIP ||= old.clusterIP;
  if (!spec.clusterIPs?.length && spec.clusterIP === old.clusterIP && old.clusterIPs) {
    spec.clusterIPs = [...old.clusterIPs];
  }
  spec.ipFamilies ??= old.ipFamilies && [...old.ipFamilies];
  spec.ipFamilyPolicy ??= old.ipFamilyPolicy;
  if (spec.ipFamilyPolicy === 'SingleStack' && old.ipFamilyPolicy !== 'SingleStack') dropSecondFamily(spec, old);
}

/** Who asks for one family again, and leaves the rest as it was, gives the second address back. */
function dropSecondFamily(spec: Spec, old: Spec): void {
  if (sameValue(spec.clusterIPs, old.clusterIPs)) spec.clusterIPs = spec.clusterIPs?.slice(0, 1);
  if (sameValue(spec.ipFamilies, old.ipFamilies)) spec.ipFamilies = spec.ipFamilies?.slice(0, 1);
}

function keepNodePorts(spec: Spec, old: Spec): void {
  const taken = new Set((spec.ports ?? []).map((port) => port.nodePort));
  for (const port of spec.ports ?? []) {
    const before = old.ports?.find((one) => one.port === port.port && one.protocol === port.protocol);
    if (!port.nodePort && before?.nodePort && !taken.has(before.nodePort)) port.nodePort = before.nodePort;
  }
  const needsCheck = spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
  if (needsCheck && old.healthCheckNodePort) spec.healthCheckNodePort ||= old.healthCheckNodePort;
  if (!needsCheck && spec.healthCheckNodePort === old.healthCheckNodePort) delete spec.healthCheckNodePort;
}

function dropAddress(spec: Spec, old: Spec): void {
  if (spec.clusterIP === old.clusterIP) delete spec.clusterIP;
  if (sameValue(spec.clusterIPs, old.clusterIPs)) delete spec.clusterIPs;
  if (sameValue(spec.ipFamilies, old.ipFamilies)) delete spec.ipFamilies;
  if (spec.ipFamilyPolicy === old.ipFamilyPolicy) delete spec.ipFamilyPolicy;
  if (spec.internalTrafficPolicy === old.internalTrafficPolicy) delete spec.internalTrafficPolicy;
}

function dropNodePorts(spec: Spec, old: Spec): void {
  const before = new Set((old.ports ?? []).map((port) => port.nodePort));
  for (const port of spec.ports ?? []) if (before.has(port.nodePort)) delete port.nodePort;
  if (spec.externalTrafficPolicy === old.externalTrafficPolicy) delete spec.externalTrafficPolicy;
  if (spec.healthCheckNodePort === old.healthCheckNodePort) delete spec.healthCheckNodePort;
}

function dropLoadBalancer(spec: Spec, old: Spec): void {
  if (spec.allocateLoadBalancerNodePorts === old.allocateLoadBalancerNodePorts) {
    delete spec.allocateLoadBalancerNodePorts;
  }
  if (spec.loadBalancerClass === old.loadBalancerClass) delete spec.loadBalancerClass;
}
