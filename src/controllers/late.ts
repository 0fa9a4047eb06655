import { BOOTSTRAP_TOKEN_NAMESPACE, BOOTSTRAP_TOKEN_TYPE } from '../api/bootstrap-tokens.ts';
import {
  certificateSigningRequests,
  clusterRoles,
  cronJobs,
  daemonSets,
  endpoints,
  horizontalPodAutoscalers,
  jobs,
  persistentVolumeClaims,
  persistentVolumes,
  podDisruptionBudgets,
  pods,
  type Resource,
  replicationControllers,
  resourceQuotas,
  secrets,
  serviceCIDRs,
  statefulSets,
  validatingAdmissionPolicies,
} from '../api/resource.ts';
import type { ClusterRole, KubeObject, Pod, ServiceCIDR } from '../api/types.ts';
import { claimsOf } from '../api/volumes.ts';
import type { Running } from '../base/running.ts';
import type { ControllerContext } from './context.ts';
import { isHandMade } from './endpoints/members.ts';

const TOKEN_SECRET = 'kubernetes.io/service-account-token';

type Start = (context: ControllerContext) => Running;

interface LateController {
  /** Started with the first object of one of these, that it `wants`. */
  readonly resources: readonly Resource[];
  wants?(object: KubeObject): boolean;
  readonly namespace?: string;
  readonly fieldSelector?: string;
  load(): Promise<Start>;
}

/** Whether the role is made of others, or is a part of one. */
function aggregates({ aggregationRule, metadata }: ClusterRole): boolean {
  const isPart = (label: string) => label.startsWith('rbac.authorization.k8s.io/aggregate-to-');
  return aggregationRule !== undefined || Object.keys(metadata?.labels ?? {}).some(isPart);
}

/** Controllers of what many clusters never have. Until then they cost a watch that is silent. */
const lateControllers: readonly LateController[] = [
  {
    resources: [statefulSets],
    load: async () => (await import('./statefulset/controller.ts')).startStatefulSetController,
  },
  {
    resources: [daemonSets],
    load: async () => (await import('./daemonset/controller.ts')).startDaemonSetController,
  },
  {
    resources: [cronJobs],
    load: async () => (await import('./cronjob/controller.ts')).startCronJobController,
  },
  {
    resources: [podDisruptionBudgets],
    load: async () => (await import('./disruption/controller.ts')).startDisruptionController,
  },
  {
    resources: [resourceQuotas],
    load: async () => (await import('./resource-quota.ts')).startResourceQuotaController,
  },
  {
    resources: [horizontalPodAutoscalers],
    load: async () => (await import('./autoscaling/controller.ts')).startHorizontalPodAutoscaler,
  },
  {
    resources: [endpoints],
    wants: isHandMade,
    load: async () => (await import('./endpoints/mirroring.ts')).startEndpointSliceMirroring,
  },
  {
    resources: [secrets],
    fieldSelector: `type=${TOKEN_SECRET}`,
    load: async () => (await import('./token-secrets.ts')).startTokenSecrets,
  },
  {
    resources: [secrets],
    namespace: BOOTSTRAP_TOKEN_NAMESPACE,
    fieldSelector: `type=${BOOTSTRAP_TOKEN_TYPE}`,
    load: async () => (await import('./bootstrap-tokens.ts')).startBootstrapTokens,
  },
  {
    resources: [clusterRoles],
    // Those that every cluster has hold what they should from the start.
    wants: (role: ClusterRole) =>
      role.metadata?.labels?.['kubernetes.io/bootstrapping'] === undefined && aggregates(role),
    load: async () => (await import('./role-aggregation.ts')).startRoleAggregation,
  },
  {
    resources: [certificateSigningRequests],
    load: async () => (await import('./certificates/controller.ts')).startCertificateController,
  },
  {
    resources: [validatingAdmissionPolicies],
    load: async () => (await import('./admission-policies.ts')).startAdmissionPolicyStatus,
  },
  {
    resources: [serviceCIDRs],
    // The one that every cluster has needs nobody until it is deleted.
    wants: ({ metadata }: ServiceCIDR) => metadata?.name !== 'kubernetes' || metadata.deletionTimestamp !== undefined,
    load: async () => (await import('./service-cidr.ts')).startServiceCIDRController,
  },
  { resources: [jobs], load: async () => (await import('./job/controller.ts')).startJobController },
  {
    resources: [persistentVolumeClaims, persistentVolumes],
    load: async () => (await import('./volumes/controller.ts')).startVolumeController,
  },
  {
    resources: [persistentVolumeClaims, persistentVolumes],
    load: async () => (await import('./volumes/protection.ts')).startStorageProtection,
  },
  {
    resources: [pods],
    wants: (pod: Pod) => claimsOf(pod).some(({ ephemeral }) => ephemeral),
    load: async () => (await import('./volumes/ephemeral.ts')).startEphemeralVolumes,
  },
  {
    resources: [replicationControllers],
    load: async () => (await import('./replicaset/controller.ts')).startReplicationController,
  },
];

/** Starts each of these controllers when there is something for it to do. */
export function startLate(context: ControllerContext): Running {
  const { informers, log } = context;
  const abort = new AbortController();
  const starting: Promise<Running | undefined>[] = [];

  const startInformers = (): Promise<void> =>
    informers.start().catch((error: unknown) => {
      if (!abort.signal.aborted) log.error('informers did not start', { error });
    });

  const start = async ({ load }: LateController): Promise<Running | undefined> => {
    const startController = await load();
    if (abort.signal.aborted) return undefined;
    const running = startController(context);
    startInformers();
    return running;
  };

  for (const controller of lateControllers) {
    let started = false;
    const { namespace, fieldSelector } = controller;
    for (const resource of controller.resources) {
      informers.informer(resource, { namespace, fieldSelector }).onChange((object) => {
        if (started || !object || controller.wants?.(object) === false || abort.signal.aborted) return;
        started = true;
        starting.push(start(controller));
      });
    }
  }
  startInformers();
  return {
    async stop() {
      abort.abort();
      const running = await Promise.all(starting);
      await Promise.all(running.map((each) => each?.stop()));
    },
  };
}
