import type * as t from './types.ts';

/** How a kind is named on the wire. `T` is the type of its objects. */
export interface Resource<T extends t.KubeObject = t.KubeObject> {
  /** `''` for core. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Lower-case plural, as in paths: `pods`. */
  readonly plural: string;
  readonly namespaced: boolean;
  /** Carries `T`; never there at run time. */
  readonly of?: T;
}

/** `v1`, `apps/v1`. */
export function apiVersion(resource: Pick<Resource, 'group' | 'version'>): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

const define = <T extends t.KubeObject>(
  group: string,
  kind: string,
  plural: string,
  namespaced: boolean,
  version = 'v1',
): Resource<T> => ({ group, version, kind, plural, namespaced });

/** The resources that knit's own components speak of, typed. */
export const pods = define<t.Pod>('', 'Pod', 'pods', true);
export const nodes = define<t.Node>('', 'Node', 'nodes', false);
export const namespaces = define<t.Namespace>('', 'Namespace', 'namespaces', false);
export const services = define<t.Service>('', 'Service', 'services', true);
export const endpoints = define<t.Endpoints>('', 'Endpoints', 'endpoints', true);
export const configMaps = define<t.ConfigMap>('', 'ConfigMap', 'configmaps', true);
export const secrets = define<t.Secret>('', 'Secret', 'secrets', true);
export const serviceAccounts = define<t.ServiceAccount>('', 'ServiceAccount', 'serviceaccounts', true);
export const events = define<t.Event>('', 'Event', 'events', true);
export const endpointSlices = define<t.EndpointSlice>('discovery.k8s.io', 'EndpointSlice', 'endpointslices', true);
export const deployments = define<t.Deployment>('apps', 'Deployment', 'deployments', true);
export const replicaSets = define<t.ReplicaSet>('apps', 'ReplicaSet', 'replicasets', true);
export const leases = define<t.Lease>('coordination.k8s.io', 'Lease', 'leases', true);
export const daemonSets = define<t.DaemonSet>('apps', 'DaemonSet', 'daemonsets', true);
export const jobs = define<t.Job>('batch', 'Job', 'jobs', true);
export const networkPolicies = define<t.NetworkPolicy>('networking.k8s.io', 'NetworkPolicy', 'networkpolicies', true);
export const replicationControllers = define<t.ReplicationController>(
  '',
  'ReplicationController',
  'replicationcontrollers',
  true,
);
export const statefulSets = define<t.StatefulSet>('apps', 'StatefulSet', 'statefulsets', true);
export const controllerRevisions = define<t.ControllerRevision>(
  'apps',
  'ControllerRevision',
  'controllerrevisions',
  true,
);
export const persistentVolumes = define<t.PersistentVolume>('', 'PersistentVolume', 'persistentvolumes', false);
export const persistentVolumeClaims = define<t.PersistentVolumeClaim>(
  '',
  'PersistentVolumeClaim',
  'persistentvolumeclaims',
  true,
);
export const storageClasses = define<t.StorageClass>('storage.k8s.io', 'StorageClass', 'storageclasses', false);
export const cronJobs = define<t.CronJob>('batch', 'CronJob', 'cronjobs', true);
export const podDisruptionBudgets = define<t.PodDisruptionBudget>(
  'policy',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
  true,
);
export const resourceQuotas = define<t.ResourceQuota>('', 'ResourceQuota', 'resourcequotas', true);
export const limitRanges = define<t.LimitRange>('', 'LimitRange', 'limitranges', true);
export const horizontalPodAutoscalers = define<t.HorizontalPodAutoscaler>(
  'autoscaling',
  'HorizontalPodAutoscaler',
  'horizontalpodautoscalers',
  true,
  'v2',
);
export const certificateSigningRequests = define<t.CertificateSigningRequest>(
  'certificates.k8s.io',
  'CertificateSigningRequest',
  'certificatesigningrequests',
  false,
);
export const clusterRoles = define<t.ClusterRole>('rbac.authorization.k8s.io', 'ClusterRole', 'clusterroles', false);
export const validatingAdmissionPolicies = define<t.ValidatingAdmissionPolicy>(
  'admissionregistration.k8s.io',
  'ValidatingAdmissionPolicy',
  'validatingadmissionpolicies',
  false,
);
export const ingresses = define<t.Ingress>('networking.k8s.io', 'Ingress', 'ingresses', true);
export const ipAddresses = define<t.IPAddress>('networking.k8s.io', 'IPAddress', 'ipaddresses', false);
export const serviceCIDRs = define<t.ServiceCIDR>('networking.k8s.io', 'ServiceCIDR', 'servicecidrs', false);
export const ingressClasses = define<t.IngressClass>('networking.k8s.io', 'IngressClass', 'ingressclasses', false);
export const customResourceDefinitions: Resource<t.CustomResourceDefinition> = define(
  'apiextensions.k8s.io',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
);
export const apiServices: Resource<t.APIService> = define('apiregistration.k8s.io', 'APIService', 'apiservices', false);
export const runtimeClasses = define<t.RuntimeClass>('node.k8s.io', 'RuntimeClass', 'runtimeclasses', false);
export const tokenReviews = define<t.TokenReview>('authentication.k8s.io', 'TokenReview', 'tokenreviews', false);
export const subjectAccessReviews = define<t.SubjectAccessReview>(
  'authorization.k8s.io',
  'SubjectAccessReview',
  'subjectaccessreviews',
  false,
);
