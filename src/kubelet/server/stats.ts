import type { Pod } from '../../api/types.ts';
import type { MetricType } from '../../base/metrics.ts';
import type { ContainerUsage, NodeUsage, Usage } from '../stats.ts';
import { metricFamily, type Sample } from './metrics.ts';

const nanos = (cores: number): number => Math.round(cores * 1e9);

/** The kubelet's `/stats/summary` (k8s.io/kubelet/pkg/apis/stats/v1alpha1), as far as it is measured here. */
export function summaryOf(nodeName: string, usage: NodeUsage, pods: readonly Pod[]): unknown {
  const time = new Date(usage.at).toISOString();
  return {
    node: { nodeName, ...partsOf(usage.node, time) },
    pods: pods.flatMap((pod) => {
      const { name, namespace, uid } = pod.metadata ?? {};
      const containers = usage.containers.filter(({ podUid }) => podUid === uid);
      if (containers.length === 0) return [];
      return {
        podRef: { name, namespace, uid },
        startTime: pod.status?.startTime,
        ...partsOf(sumOf(containers), time),
        containers: containers.map((each) => ({
          name: each.container,
          ...partsOf(each, time),
          rootfs: { time, usedBytes: each.writtenBytes },
        })),
      };
    }),
  };
}

function partsOf({ cores, cpuSeconds, workingSetBytes }: Usage, time: string): object {
  return {
    cpu: { time, usageNanoCores: nanos(cores), usageCoreNanoSeconds: nanos(cpuSeconds) },
    memory: { time, workingSetBytes },
  };
}

function sumOf(usages: readonly Usage[]): Usage {
  const sum = (pick: (usage: Usage) => number) => usages.reduce((total, usage) => total + pick(usage), 0);
  return {
    cores: sum(({ cores }) => cores),
    cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
    workingSetBytes: sum(({ workingSetBytes }) => workingSetBytes),
  };
}

/** The kubelet's `/metrics/resource`, for Prometheus and for metrics-server. */
export function resourceMetrics({ at, node, containers }: NodeUsage): string {
  const family = (name: string, type: MetricType, help: string, samples: readonly Sample[]) =>
    metricFamily(name, type, help, samples, at);
  const ofContainers = (pick: (usage: ContainerUsage) => number) =>
    containers.map((each) => [containerLabels(each), pick(each)] as const);
  const byPod = [...Map.groupBy(containers, podLabels)];
  const ofPods = (pick: (usage: Usage) => number) =>
    byPod.map(([labels, members]) => [labels, pick(sumOf(members))] as const);
  const cpu = ({ cpuSeconds }: Usage) => cpuSeconds;
  const memory = ({ workingSetBytes }: Usage) => workingSetBytes;
  const cpuHelp = 'Cumulative cpu time, in core-seconds';
  const memoryHelp = 'Current working set, in bytes';
  return [
    ...family('container_cpu_usage_seconds_total', 'counter', cpuHelp, ofContainers(cpu)),
    ...family('container_memory_working_set_bytes', 'gauge', memoryHelp, ofContainers(memory)),
    ...family('node_cpu_usage_seconds_total', 'counter', cpuHelp, [['', cpu(node)]]),
    ...family('node_memory_working_set_bytes', 'gauge', memoryHelp, [['', memory(node)]]),
    ...family('pod_cpu_usage_seconds_total', 'counter', cpuHelp, ofPods(cpu)),
    ...family('pod_memory_working_set_bytes', 'gauge', memoryHelp, ofPods(memory)),
    '# TYPE resource_scrape_error gauge',
    'resource_scrape_error 0',
    '',
  ].join('\n');
}

const containerLabels = ({ container, namespace, pod }: ContainerUsage): string =>
  `{container="${container}",namespace="${namespace}",pod="${pod}"}`;
const podLabels = ({ namespace, pod }: ContainerUsage): string => `{namespace="${namespace}",pod="${pod}"}`;
