import os from 'node:os';
import { family, type MetricType } from '../../base/metrics.ts';
import type { ContainerUsage, NodeUsage } from '../stats.ts';
import type { NodeView } from './node.ts';

export type Sample = readonly [labels: string, value: number];

/** A metric with its samples, of one moment where they were measured together (ms of the epoch). */
export function metricFamily(
  name: string,
  type: MetricType,
  help: string,
  samples: readonly Sample[],
  at?: number,
): string[] {
  const time = at === undefined ? '' : ` ${at}`;
  return family(
    name,
    type,
    help,
    samples.map(([labels, value]) => `${name}${labels} ${value}${time}`),
  );
}

/** The kubelet's `/metrics/cadvisor`, as far as it is measured here. */
export function cadvisorMetrics({ at, containers }: NodeUsage): string {
  const of = (pick: (usage: ContainerUsage) => number) =>
    containers.map((each): Sample => [labelsOf(each), pick(each)]);
  return [
    ...metricFamily(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed in seconds.',
      of(({ cpuSeconds }) => cpuSeconds),
      at,
    ),
    ...metricFamily(
      'container_memory_working_set_bytes',
      'gauge',
      'Current working set in bytes.',
      of(({ workingSetBytes }) => workingSetBytes),
      at,
    ),
    ...metricFamily(
      'container_fs_usage_bytes',
      'gauge',
      'Number of bytes that are consumed by the container on this filesystem.',
      of(({ writtenBytes }) => writtenBytes),
      at,
    ),
    ...metricFamily('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.', [['', os.availableParallelism()]]),
    ...metricFamily('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.', [
      ['', os.totalmem()],
    ]),
    '',
  ].join('\n');
}

/** The kubelet's own `/metrics`: what it runs. */
export function kubeletMetrics(node: Pick<NodeView, 'name' | 'pods' | 'lastShutdown' | 'terminations'>): string {
  const pods = node.pods();
  const { startTime = 0, endTime = 0 } = node.lastShutdown();
  const running = pods.filter(({ status }) => status?.phase === 'Running');
  const containers = pods.flatMap(({ status }) => status?.containerStatuses ?? []);
  const counts = Map.groupBy(containers, ({ state }) =>
    state?.running ? 'running' : state?.terminated ? 'exited' : 'created',
  );
  return [
    ...metricFamily('kubelet_node_name', 'gauge', "The node's name. The count is always 1.", [
      [`{node="${node.name}"}`, 1],
    ]),
    ...metricFamily('kubelet_running_pods', 'gauge', 'Number of pods that have a running pod sandbox', [
      ['', running.length],
    ]),
    ...metricFamily(
      'kubelet_running_containers',
      'gauge',
      'Number of containers currently running',
      [...counts].map(([state, all]): Sample => [`{container_state="${state}"}`, all.length]),
    ),
    ...metricFamily(
      'kubelet_terminated_containers_total',
      'counter',
      'Cumulative number of container terminations.',
      node
        .terminations()
        .map(
          ({ type, exitCode, reason, count }): Sample => [
            `{container_type="${type}",exit_code="${exitCode}",reason="${reason}"}`,
            count,
          ],
        ),
    ),
    ...metricFamily(
      'kubelet_graceful_shutdown_start_time_seconds',
      'gauge',
      'Last graceful shutdown start time since unix epoch in seconds',
      [['', Math.floor(startTime / 1000)]],
    ),
    ...metricFamily(
      'kubelet_graceful_shutdown_end_time_seconds',
      'gauge',
      'Last graceful shutdown end time since unix epoch in seconds',
      [['', Math.floor(endTime / 1000)]],
    ),
    '',
  ].join('\n');
}

const labelsOf = ({ container, namespace, pod, podUid }: ContainerUsage): string =>
  `{container="${container}",id="/pod${podUid}/${container}",namespace="${namespace}",pod="${pod}"}`;
