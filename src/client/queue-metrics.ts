import { family, Histogram, type MetricType } from '../base/metrics.ts';
import type { Controller } from './controller.ts';

/** client-go's, in seconds: 10 ns to 10 s. */
const BOUNDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10];

/** What the work queue of a controller tells of itself. */
export class QueueMetrics {
  retries = 0;
  readonly waited = new Histogram(BOUNDS);
  readonly worked = new Histogram(BOUNDS);
  /** When each key that is worked on was begun, by `performance.now`. */
  readonly begun = new Map<string, number>();
}

type Metric = readonly [name: string, type: MetricType, help: string, lines: LinesOf];
type LinesOf = (controller: Controller, name: string, labels: string) => readonly string[];

const single =
  (value: (controller: Controller) => number): LinesOf =>
  (controller, name, labels) => [`${name}{${labels}} ${value(controller)}`];

const metrics: readonly Metric[] = [
  ['workqueue_depth', 'gauge', 'Current depth of workqueue', single(({ depth }) => depth)],
  ['workqueue_adds_total', 'counter', 'Total number of adds handled by workqueue', single(({ adds }) => adds)],
  [
    'workqueue_queue_duration_seconds',
    'histogram',
    'How long in seconds an item stays in workqueue before being requested.',
    (controller, name, labels) => controller.metrics.waited.lines(name, labels),
  ],
  [
    'workqueue_work_duration_seconds',
    'histogram',
    'How long in seconds processing an item from workqueue takes.',
    (controller, name, labels) => controller.metrics.worked.lines(name, labels),
  ],
  [
    'workqueue_unfinished_work_seconds',
    'gauge',
    'How many seconds of work has been done that is in progress and has not been observed by work_duration.',
    single((controller) => agesOf(controller).reduce((sum, age) => sum + age, 0)),
  ],
  [
    'workqueue_longest_running_processor_seconds',
    'gauge',
    'How many seconds has the longest running processor for workqueue been running.',
    single((controller) => Math.max(0, ...agesOf(controller))),
  ],
  [
    'workqueue_retries_total',
    'counter',
    'Total number of retries handled by workqueue',
    single((controller) => controller.metrics.retries),
  ],
];

function agesOf({ metrics: { begun } }: Controller): number[] {
  const now = performance.now();
  return [...begun.values()].map((since) => (now - since) / 1000);
}

/** The work queues of controllers as lines for Prometheus, under the names that Kubernetes gives them. */
export function queueMetricLines(controllers: readonly Controller[]): string[] {
  return metrics.flatMap(([name, type, help, lines]) =>
    family(
      name,
      type,
      help,
      controllers.flatMap((controller) => lines(controller, name, `name="${controller.name}"`)),
    ),
  );
}
