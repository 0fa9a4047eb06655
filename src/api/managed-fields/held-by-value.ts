import type { Definition, Field } from '../schema/schema.ts';

/** Fields that are structs by value wherever they stand; a required struct is one too. */
const everywhere = new Set('metadata spec status template strategy updateStrategy jobTemplate loadBalancer'.split(' '));

/** Those that are by value in the named struct alone. */
const inStruct = new Set(
  [
    'AllocationResult.devices Container.resources ContainerStatus.lastState ContainerStatus.state Endpoint.conditions',
    'EphemeralContainer.resources Event.deprecatedSource Event.regarding Event.source IngressServiceBackend.port',
    'LimitedPriorityLevelConfiguration.limitResponse NetworkPolicySpec.podSelector NodeDaemonEndpoints.kubeletEndpoint',
    'NodeStatus.daemonEndpoints NodeStatus.nodeInfo PersistentVolumeClaimSpec.resources ResourceClaimSpec.devices',
    'SelfSubjectReviewStatus.userInfo TokenReviewStatus.user',
  ].flatMap((line) => line.split(' ')),
);

const byPointer = new Set(['ReplicationControllerSpec.template', 'ResourcePoolStatusRequest.status']);

/** Whether Go holds a struct by value, so that it is there even where nobody wrote it (the types of `k8s.io/api`). */
export function isHeldByValue({ goName }: Definition, { name, required }: Field): boolean {
  const path = `${goName}.${name}`;
  return inStruct.has(path) || ((required || everywhere.has(name)) && !byPointer.has(path));
}

/** Lists that Go writes though they may be left out. */
const keptLists = new Set(
  [
    'AllocatedDeviceStatus.conditions CSINodeDriver.topologyKeys ClusterRole.rules ContainerImage.names',
    'DeviceClaim.requests EndpointSlice.endpoints EndpointSlice.ports HorizontalPodAutoscalerStatus.currentMetrics',
    'ProjectedVolumeSource.sources ResourcePolicyRule.namespaces Role.rules TokenRequestSpec.audiences',
  ].flatMap((line) => line.split(' ')),
);

/** Whether Go writes a list even when it is empty, `null` if nobody made it. */
export const isListKept = ({ goName }: Definition, { name, required }: Field): boolean =>
  required || keptLists.has(`${goName}.${name}`);
