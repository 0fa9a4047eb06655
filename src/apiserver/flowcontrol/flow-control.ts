import type { Answer } from '../answer.ts';
import { anonymous } from '../auth/authentication.ts';
import type { WatchCache } from '../cache/watch-cache.ts';
import type { RequestInfo, User } from '../request.ts';
import { type Flow, FlowClassifier } from './classifier.ts';
import { FairQueue } from './fair-queue.ts';

/** API priority and fairness: which flow a request belongs to, when it begins, and what its client is told of that. */
export class FlowControl {
  readonly #classifier: FlowClassifier;
  readonly #queue = new FairQueue();

  constructor(cache: WatchCache) {
    this.#classifier = new FlowClassifier(cache);
  }

  /** As lines for Prometheus. A level without a limit has none to tell. */
  metrics(): string[] {
    const limited = this.#classifier.levels.filter(({ seats }) => Number.isFinite(seats));
    return [
      '# HELP apiserver_flowcontrol_nominal_limit_seats Requests of a priority level that may be under way at once.',
      '# TYPE apiserver_flowcontrol_nominal_limit_seats gauge',
      ...limited.map(
        ({ name, seats }) => `apiserver_flowcontrol_nominal_limit_seats{priority_level="${name}"} ${seats}`,
      ),
    ];
  }

  /**
   * The answer of `work`, once it is its turn. A watch holds its seat until it begins.
   *
   * @throws StatusError 429, at once or later
   */
  answer(user: User = anonymous, info: RequestInfo, work: () => Promise<Answer> | Answer): Promise<Answer> | Answer {
    const flow = this.#classifier.flowOf(user, info);
    if (!flow) return work();
    const answer = this.#queue.run(flow, work);
    return answer instanceof Promise ? answer.then((late) => told(late, flow)) : told(answer, flow);
  }
}

const told = (answer: Answer, flow: Flow): Answer => ({ ...answer, headers: { ...answer.headers, ...flow.headers } });
