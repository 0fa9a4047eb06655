import { type Answer, textAnswer } from './answer.ts';
import type { Context } from './context.ts';
import type { RequestInfo } from './request.ts';

type Check = (context: Context) => string | undefined;

/** What each check says is wrong; nothing where it is well. */
const checks: Readonly<Record<string, Check>> = {
  ping: () => undefined,
  log: () => undefined,
  store: ({ store, cache }) =>
    store.revision > cache.revision
      ? `the watch cache is at ${cache.revision}, the store at ${store.revision}`
      : undefined,
};

const endpoints = ['healthz', 'livez', 'readyz'];

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
