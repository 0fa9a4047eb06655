import { family } from '../base/metrics.ts';
import { type Answer, textAnswer } from './answer.ts';
import type { Context } from './context.ts';
import { prometheusAnswer } from './metrics.ts';
import type { RequestInfo } from './request.ts';

type Check = (context: Context) => string | undefined;

/** What each check says is wrong; nothing where it is well. */
const checks: Readonly<Record<string, Check>> = {
  ping: () => undefined,
  log: () => undefined,
  store: storeTrouble,
};

export function storeTrouble({ store, cache }: Context): string | undefined {
  if (store.revision <= cache.revision) return undefined;
  return `the watch cache is at ${cache.revision}, the store at ${store.revision}`;
}

const endpoints = ['healthz', 'livez', 'readyz'];

/** `/metrics/slis`: each check at each endpoint, as Kubernetes' components tell them for objectives of service. */
export function answerHealthMetrics(context: Context): Answer {
  const samples = Object.entries(checks).flatMap(([name, check]) => {
    const value = check(context) === undefined ? 1 : 0;
    return endpoints.map((type) => `kubernetes_healthcheck{name="${name}",type="${type}"} ${value}`);
  });
  const lines = family('kubernetes_healthcheck', 'gauge', 'The result of a single health check.', samples);
  return prometheusAnswer(lines);
}

/** `/healthz`, `/livez`, `/readyz`, each with `?verbose`, and each check by its name. */
export function answerHealth(context: Context, info: RequestInfo): Answer | undefined {
  const [, endpoint = '', name] = info.path.split('/');
  if (!endpoints.includes(endpoint)) return undefined;
  const chosen = Object.entries(checks).filter(([each]) => !name || each === name);
  if (chosen.length === 0) return undefined;
  const results = chosen.map(([each, check]) => ({ name: each, failure: check(context) }));
  const failed = results.some((result) => result.failure !== undefined);
  if (!failed && !info.query.has('verbose')) return textAnswer('ok');
  const lines = results.map(({ name: each, failure }) =>
    failure === undefined ? `[+]${each} ok` : `[-]${each} failed: ${failure}`,
  );
  lines.push(`${endpoint} check ${failed ? 'failed' : 'passed'}`);
  return textAnswer(`${lines.join('\n')}\n`, failed ? 500 : 200);
}
