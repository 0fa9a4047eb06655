import { parseDuration } from '../base/duration.ts';
import { type Answer, errorAnswer, jsonAnswer } from './answer.ts';
import { assertAllowed } from './auth/authorize.ts';
import { impersonated } from './auth/impersonation.ts';
import { inFormat } from './codec.ts';
import type { Context } from './context.ts';
import { answerDiscovery } from './discovery/discovery.ts';
import { badRequest, methodNotAllowed, noSuchPath, toStatusError, unauthorized } from './errors.ts';
import type { FlowControl } from './flowcontrol/flow-control.ts';
import { answerHealth, answerHealthMetrics } from './health.ts';
import { hasSubresource, isInScope, offers } from './kinds.ts';
import { answerMetrics } from './metrics.ts';
import { formatOf } from './negotiation.ts';
import { answerOpenApi } from './openapi.ts';
import { objectHandlers } from './registry/handlers.ts';
import { type ApiRequest, type KindRequest, parseRequest, type RequestInfo, type User } from './request.ts';
import { specialHandler } from './subresources/subresources.ts';
import { version } from './version.ts';

/**
 * The whole way of a request: who may ask what, whose it is, and the answer. Never throws. What comes from this process
 * is under no flow control.
 */
export function handleRequest(context: Context, request: ApiRequest, control?: FlowControl): Promise<Answer> | Answer {
  let info: RequestInfo | undefined;
  let answer: Promise<Answer> | Answer;
  try {
    const parsed = parseRequest(request.method, request.path);
    info = parsed;
    const asked = impersonated(context, request);
    const work = () => answerOf(context, asked, parsed);
    answer = control ? control.answer(asked.user, parsed, work) : work();
  } catch (error) {
    answer = answerOfError(context, request, error);
  }
  return answer instanceof Promise
    ? finishLater(context, request, info, answer)
    : finished(context, request, info, answer);
}

async function finishLater(
  context: Context,
  request: ApiRequest,
  info: RequestInfo | undefined,
  pending: Promise<Answer>,
): Promise<Answer> {
  let answer: Answer;
  try {
    answer = await pending;
  } catch (error) {
    answer = answerOfError(context, request, error);
  }
  return finished(context, request, info, answer);
}

function answerOfError(context: Context, { method, path }: ApiRequest, error: unknown): Answer {
  const status = toStatusError(error);
  if (status.code === 500) context.log.error('request failed', { method, path, error });
  return errorAnswer(status);
}

/** Counts the answer, and brings it into the format that the client wants. */
function finished(
  context: Context,
  request: ApiRequest,
  info: RequestInfo | undefined,
  answer: Answer,
): Promise<Answer> | Answer {
  context.metrics.count(info?.verb ?? request.method, info?.resource?.plural ?? '', answer.status);
  const format = answer.format ?? formatOf(request.headers.accept);
  return format === 'json' ? answer : inFormat(answer, format);
}

/** @throws StatusError at once or later */
function answerOf(context: Context, request: ApiRequest, info: RequestInfo): Promise<Answer> | Answer {
  if (!request.user) throw unauthorized();
  assertAllowed(context, info, request.user);
  assertTimeout(info);
  const remote = context.aggregator.answer(context, request, info);
  if (remote) return remote;
  if (info.resource) return answerResource(context, request, info, request.user);
  if (info.method !== 'GET' && info.method !== 'HEAD') throw methodNotAllowed();
  return answerPath(context, request, info);
}

/** A watch has no time by which it must be answered, and what follows a connection has none either. */
function assertTimeout({ verb, resource, query }: RequestInfo): void {
  const timeout = query.get('timeout');
  if (!timeout || verb === 'watch' || resource?.subresource) return;
  if (parseDuration(timeout) === undefined) {
    throw badRequest(`invalid timeout specified in the request URL: ${JSON.stringify(timeout)} is no duration`);
  }
}

/** Paths that are not about objects. */
async function answerPath(context: Context, request: ApiRequest, info: RequestInfo): Promise<Answer> {
  if (/^\/version\/?$/.test(info.path)) return jsonAnswer(version);
  if (info.path === '/openid/v1/jwks') return jsonAnswer(context.tokens.keys);
  if (info.path === '/.well-known/openid-configuration') return jsonAnswer(context.tokens.configuration);
  if (info.path === '/')
    return jsonAnswer({
      paths: [
        '/api',
        '/apis',
        '/healthz',
        '/livez',
        '/metrics',
        '/metrics/slis',
        '/openapi/v2',
        '/openapi/v3',
        '/readyz',
        '/version',
      ],
    });
  if (info.path === '/metrics') return answerMetrics(context);
  if (info.path === '/metrics/slis') return answerHealthMetrics(context);
  const answer =
    answerHealth(context, info) ??
    answerDiscovery(context.kinds, context.aggregator.groups(context.kinds), request, info) ??
    (await answerOpenApi(context, request, info));
  if (!answer) throw noSuchPath();
  return answer;
}

function answerResource(
  context: Context,
  request: ApiRequest,
  info: RequestInfo,
  user: User,
): Promise<Answer> | Answer {
  const target = info.resource;
  const kind = target && context.kinds.find(target);
  if (!target || !kind || !hasSubresource(kind, target.subresource)) throw noSuchPath();
  if (!isInScope(kind, target)) throw noSuchPath();
  if (!offers(kind, info, target)) throw methodNotAllowed();
  const kindRequest: KindRequest = { request, info, target, kind, user, warnings: [] };
  const handler = specialHandler(kindRequest) ?? objectHandlers[info.verb];
  if (!handler) throw methodNotAllowed();
  const answer = handler(context, kindRequest);
  return kind.deprecation === undefined ? answer : warned(answer, kind.deprecation);
}

async function warned(pending: Promise<Answer> | Answer, warning: string): Promise<Answer> {
  const answer = await pending;
  return { ...answer, warnings: [warning, ...(answer.warnings ?? [])] };
}
