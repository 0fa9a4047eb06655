import type * as k8s from '@kubernetes/client-node';

/**
 * A type of `@kubernetes/client-node` as it is on the wire: times are RFC 3339 strings, and names that the generator
 * had to escape (`_from`, `_continue`) have their own spelling.
 */
export type Wire<T> = T extends Date
  ? string
  : T extends (infer E)[]
    ? Wire<E>[]
    : T extends object
      ? { [K in keyof T as K extends `_${infer Name}` ? Name : K]: Wire<T[K]> }
      : T;

/** `metadata` of an object that came from the API server: name, uid and resourceVersion are there. */
export type ObjectMeta = Wire<k8s.V1ObjectMeta>;
export type OwnerReference = Wire<k8s.V1OwnerReference>;
export type LabelSelector = Wire<k8s.V1LabelSelector>;
export type Labels = Readonly<Record<string, string>>;

/** What all objects have. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

export type Pod = Wire<k8s.V1Pod>;
export type PodSpec = Wire<k8s.V1PodSpec>;
export type PodStatus = Wire<k8s.V1PodStatus>;
export type PodTemplateSpec = Wire<k8s.V1PodTemplateSpec>;
export type Container = Wire<k8s.V1Container>;
export type ContainerStatus = Wire<k8s.V1ContainerStatus>;
export type Probe = Wire<k8s.V1Probe>;
export type Volume = Wire<k8s.V1Volume>;
export type Node = Wire<k8s.V1Node>;
export type Taint = Wire<k8s.V1Taint>;
export type Toleration = Wire<k8s.V1Toleration>;
export type Namespace = Wire<k8s.V1Namespace>;
export type Service = Wire<k8s.V1Service>;
export type ServicePort = Wire<k8s.V1ServicePort>;
export type Endpoints = Wire<k8s.V1Endpoints>;
export type EndpointSlice = Wire<k8s.V1EndpointSlice>;
export type ConfigMap = Wire<k8s.V1ConfigMap>;
export type Secret = Wire<k8s.V1Secret>;
export type ServiceAccount = Wire<k8s.V1ServiceAccount>;
export type Event = Wire<k8s.CoreV1Event>;
export type Deployment = Wire<k8s.V1Deployment>;
export type ReplicaSet = Wire<k8s.V1ReplicaSet>;
export type Lease = Wire<k8s.V1Lease>;
export type Binding = Wire<k8s.V1Binding>;
export type TokenRequest = Wire<k8s.AuthenticationV1TokenRequest>;
export type TokenReview = Wire<k8s.V1TokenReview>;
export type SubjectAccessReview = Wire<k8s.V1SubjectAccessReview>;
export type Status = Wire<k8s.V1Status>;
export type PersistentVolume = Wire<k8s.V1PersistentVolume>;
export type PersistentVolumeClaim = Wire<k8s.V1PersistentVolumeClaim>;
export type PersistentVolumeClaimSpec = Wire<k8s.V1PersistentVolumeClaimSpec>;
export type ReplicationController = Wire<k8s.V1ReplicationController>;
export type ResourceQuota = Wire<k8s.V1ResourceQuota>;
export type LimitRange = Wire<k8s.V1LimitRange>;
export type PodTemplate = Wire<k8s.V1PodTemplate>;
export type ComponentStatus = Wire<k8s.V1ComponentStatus>;
export type DaemonSet = Wire<k8s.V1DaemonSet>;
export type StatefulSet = Wire<k8s.V1StatefulSet>;
export type ControllerRevision = Wire<k8s.V1ControllerRevision>;
export type Job = Wire<k8s.V1Job>;
export type JobSpec = Wire<k8s.V1JobSpec>;
export type CronJob = Wire<k8s.V1CronJob>;
export type EventsEvent = Wire<k8s.EventsV1Event>;
export type NetworkPolicy = Wire<k8s.V1NetworkPolicy>;
export type Ingress = Wire<k8s.V1Ingress>;
export type IngressClass = Wire<k8s.V1IngressClass>;
export type IPAddress = Wire<k8s.V1IPAddress>;
export type ServiceCIDR = Wire<k8s.V1ServiceCIDR>;
export type PodDisruptionBudget = Wire<k8s.V1PodDisruptionBudget>;
export type Role = Wire<k8s.V1Role>;
export type ClusterRole = Wire<k8s.V1ClusterRole>;
export type RoleBinding = Wire<k8s.V1RoleBinding>;
export type ClusterRoleBinding = Wire<k8s.V1ClusterRoleBinding>;
export type StorageClass = Wire<k8s.V1StorageClass>;
export type VolumeAttachment = Wire<k8s.V1VolumeAttachment>;
export type CSIDriver = Wire<k8s.V1CSIDriver>;
export type CSINode = Wire<k8s.V1CSINode>;
export type CSIStorageCapacity = Wire<k8s.V1CSIStorageCapacity>;
export type VolumeAttributesClass = Wire<k8s.V1VolumeAttributesClass>;
export type HorizontalPodAutoscaler = Wire<k8s.V2HorizontalPodAutoscaler>;
export type HorizontalPodAutoscalerV1 = Wire<k8s.V1HorizontalPodAutoscaler>;
export type PriorityClass = Wire<k8s.V1PriorityClass>;
export type DeviceClass = Wire<k8s.V1DeviceClass>;
export type ResourceClaim = Wire<k8s.ResourceV1ResourceClaim>;
export type ResourceClaimTemplate = Wire<k8s.V1ResourceClaimTemplate>;
export type ResourceSlice = Wire<k8s.V1ResourceSlice>;
export type RuntimeClass = Wire<k8s.V1RuntimeClass>;
export type CertificateSigningRequest = Wire<k8s.V1CertificateSigningRequest>;
export type APIService = Wire<k8s.V1APIService>;
export type ValidatingAdmissionPolicy = Wire<k8s.V1ValidatingAdmissionPolicy>;
export type CustomResourceDefinition = Wire<k8s.V1CustomResourceDefinition>;
export type FlowSchema = Wire<k8s.V1FlowSchema>;
export type PriorityLevelConfiguration = Wire<k8s.V1PriorityLevelConfiguration>;
