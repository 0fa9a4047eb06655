import { exponential, family, Histogram } from '../base/metrics.ts';

export type Result = 'scheduled' | 'unschedulable' | 'error';

/** Pods that wait, by kube-scheduler's names for where. */
export interface Pending {
  readonly active: number;
  readonly backoff: number;
  readonly unschedulable: number;
  readonly gated: number;
}

/** What the scheduler knows at the moment when somebody asks. */
export interface Present {
  readonly pending: Pending;
  readonly nodes: number;
  readonly pods: number;
  readonly assumed: number;
  /** Pods that wait, by the plugin that rejected them. */
  readonly rejected: ReadonlyMap<string, number>;
}

const attemptBounds = exponential(0.001, 2, 15);
const waitBounds = exponential(0.01, 2, 20);
/** Pods that needed more attempts than this share a label, so that there are few. */
const mostAttempts = 15;

/** What kube-scheduler counts, under its names. */
export class SchedulerMetrics {
  readonly #profile: string;
  readonly #attempts = new Map<Result, Histogram>();
  readonly #algorithm = new Histogram(attemptBounds);
  readonly #attemptsOfPod = new Histogram(exponential(1, 2, 5));
  readonly #waited = new Map<string, Histogram>();
  readonly #victims = new Histogram(exponential(1, 2, 7));
  #preemptions = 0;

  constructor(profile: string) {
    this.#profile = profile;
  }

  /** One attempt, with the binding where it came to one. */
  attempt(result: Result, seconds: number): void {
    histogramOf(this.#attempts, result, attemptBounds).observe(seconds);
  }

  chosen(seconds: number): void {
    this.#algorithm.observe(seconds);
  }

  /** A pod has its node, so long after it came. */
  scheduled(attempts: number, seconds: number): void {
    this.#attemptsOfPod.observe(attempts);
    const label = attempts > mostAttempts ? `${mostAttempts}+` : String(attempts);
    histogramOf(this.#waited, label, waitBounds).observe(seconds);
  }

  preempted(victims: number): void {
    this.#victims.observe(victims);
  }

  triedPreemption(): void {
    this.#preemptions++;
  }

  /** For Prometheus. */
  lines({ pending, nodes, pods, assumed, rejected }: Present): string[] {
    const profile = `profile="${this.#profile}"`;
    const results = [...this.#attempts];
    const name = (short: string) => `scheduler_${short}`;
    return [
      ...family(
        name('schedule_attempts_total'),
        'counter',
        "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem.",
        results.map(
          ([result, { count }]) => `scheduler_schedule_attempts_total{${profile},result="${result}"} ${count}`,
        ),
      ),
      ...family(
        name('scheduling_attempt_duration_seconds'),
        'histogram',
        'Scheduling attempt latency in seconds (scheduling algorithm + binding)',
        results.flatMap(([result, histogram]) =>
          histogram.lines('scheduler_scheduling_attempt_duration_seconds', `${profile},result="${result}"`),
        ),
      ),
      ...family(
        name('scheduling_algorithm_duration_seconds'),
        'histogram',
        'Scheduling algorithm latency in seconds',
        this.#algorithm.lines('scheduler_scheduling_algorithm_duration_seconds', ''),
      ),
      ...family(
        name('pod_scheduling_attempts'),
        'histogram',
        'Number of attempts to successfully schedule a pod.',
        this.#attemptsOfPod.lines('scheduler_pod_scheduling_attempts', ''),
      ),
      ...family(
        name('pod_scheduling_sli_duration_seconds'),
        'histogram',
        'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling attempts.',
        [...this.#waited].flatMap(([attempts, histogram]) =>
          histogram.lines('scheduler_pod_scheduling_sli_duration_seconds', `attempts="${attempts}"`),
        ),
      ),
      ...family(name('preemption_attempts_total'), 'counter', 'Total preemption attempts in the cluster till now', [
        `scheduler_preemption_attempts_total ${this.#preemptions}`,
      ]),
      ...family(
        name('preemption_victims'),
        'histogram',
        'Number of selected preemption victims',
        this.#victims.lines('scheduler_preemption_victims', ''),
      ),
      ...family(
        name('pending_pods'),
        'gauge',
        "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated.",
        Object.entries(pending).map(([queue, count]) => `scheduler_pending_pods{queue="${queue}"} ${count}`),
      ),
      ...family(
        name('scheduler_cache_size'),
        'gauge',
        'Number of nodes, pods, and assumed (bound) pods in the scheduler cache.',
        Object.entries({ assumed_pods: assumed, nodes, pods }).map(
          ([type, count]) => `scheduler_scheduler_cache_size{type="${type}"} ${count}`,
        ),
      ),
      ...family(
        name('unschedulable_pods'),
        'gauge',
        'The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all plugins that caused it to not schedule and so this metric have meaning only when broken down by plugin.',
        [...rejected].map(([plugin, count]) => `scheduler_unschedulable_pods{plugin="${plugin}",${profile}} ${count}`),
      ),
    ];
  }
}

function histogramOf<K>(histograms: Map<K, Histogram>, key: K, bounds: readonly number[]): Histogram {
  const histogram = histograms.get(key) ?? new Histogram(bounds);
  histograms.set(key, histogram);
  return histogram;
}
