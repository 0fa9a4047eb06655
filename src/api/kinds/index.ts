import type { Kind } from '../kind.ts';
import {
  mutatingAdmissionPolicy,
  mutatingAdmissionPolicyBinding,
  validatingAdmissionPolicy,
  validatingAdmissionPolicyBinding,
} from './admissionregistration/policies.ts';
import { mutatingWebhookConfiguration, validatingWebhookConfiguration } from './admissionregistration/webhooks.ts';
import { controllerRevision } from './apps/controllerRevision.ts';
import { daemonSet } from './apps/daemonSet.ts';
import { deployment } from './apps/deployment.ts';
import { replicaSet } from './apps/replicaSet.ts';
import { statefulSet } from './apps/statefulSet.ts';
import { horizontalPodAutoscaler } from './autoscaling/horizontalPodAutoscaler.ts';
import { horizontalPodAutoscalerV1 } from './autoscaling/v1.ts';
import { cronJob } from './batch/cronJob.ts';
import { job } from './batch/job.ts';
import { certificateSigningRequest } from './certificates/certificateSigningRequest.ts';
import { lease } from './coordination/lease.ts';
import { configMap } from './core/configMap.ts';
import { endpoints } from './core/endpoints.ts';
import { event } from './core/event.ts';
import { namespace } from './core/namespace.ts';
import { node } from './core/node.ts';
import { pod } from './core/pod.ts';
import { limitRange, resourceQuota } from './core/quota.ts';
import { replicationController } from './core/replicationController.ts';
import { secret } from './core/secret.ts';
import { service } from './core/service.ts';
import { serviceAccount } from './core/serviceAccount.ts';
import { binding, componentStatus, podTemplate } from './core/small.ts';
import { persistentVolume, persistentVolumeClaim } from './core/volume.ts';
import { endpointSlice } from './discovery/endpointSlice.ts';
import { eventsEvent } from './events.ts';
import { ingress } from './networking/ingress.ts';
import { ingressClass } from './networking/ingressClass.ts';
import { networkPolicy } from './networking/networkPolicy.ts';
import { ipAddress, serviceCIDR } from './networking/serviceRange.ts';
import { runtimeClass } from './node/runtimeClass.ts';
import { podDisruptionBudget } from './policy/podDisruptionBudget.ts';
import { clusterRoleBinding, roleBinding } from './rbac/binding.ts';
import { clusterRole, role } from './rbac/role.ts';
import {
  localSubjectAccessReview,
  selfSubjectAccessReview,
  selfSubjectReview,
  selfSubjectRulesReview,
  subjectAccessReview,
  tokenReview,
} from './reviews.ts';
import { priorityClass } from './scheduling/priorityClass.ts';
import { csiDriver, csiNode, csiStorageCapacity, volumeAttachment, volumeAttributesClass } from './storage/csi.ts';
import { storageClass } from './storage/storageClass.ts';

/**
 * Every kind that the API server has from the start, in the order that Kubernetes lists groups and resources: what
 * `kubectl get all` shows comes in it too.
 */
export const builtinKinds: readonly Kind[] = [
  binding,
  componentStatus,
  configMap,
  endpoints,
  event,
  limitRange,
  namespace,
  node,
  persistentVolumeClaim,
  persistentVolume,
  pod,
  podTemplate,
  replicationController,
  resourceQuota,
  secret,
  serviceAccount,
  service,
  controllerRevision,
  daemonSet,
  deployment,
  replicaSet,
  statefulSet,
  eventsEvent,
  selfSubjectReview,
  tokenReview,
  localSubjectAccessReview,
  selfSubjectAccessReview,
  selfSubjectRulesReview,
  subjectAccessReview,
  horizontalPodAutoscaler,
  horizontalPodAutoscalerV1,
  cronJob,
  job,
  certificateSigningRequest,
  ingressClass,
  ingress,
  ipAddress,
  networkPolicy,
  serviceCIDR,
  podDisruptionBudget,
  clusterRoleBinding,
  clusterRole,
  roleBinding,
  role,
  csiDriver,
  csiNode,
  csiStorageCapacity,
  storageClass,
  volumeAttachment,
  volumeAttributesClass,
  mutatingAdmissionPolicy,
  mutatingAdmissionPolicyBinding,
  mutatingWebhookConfiguration,
  validatingAdmissionPolicy,
  validatingAdmissionPolicyBinding,
  validatingWebhookConfiguration,
  priorityClass,
  lease,
  runtimeClass,
  endpointSlice,
];
