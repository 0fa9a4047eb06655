import { type Answer, errorAnswer, jsonAnswer } from './answer.ts';
import { assertAllowed, isPublic } from './auth/authorize.ts';
import { impersonated } from './auth/impersonation.ts';
import { toYaml } from './codec.ts';
import type { Context } from './context.ts';
import { answerDiscovery } from './discovery/discovery.ts';
import { methodNotAllowed, noSuchPath, toStatusError, unauthorized } from './errors.ts';
import { answerHealth } from './health.ts';
import { hasSubresource, isInScope, offers } from './kinds.ts';
import { answerMetrics } from './metrics.ts';
import { mediaType } from './negotiation.ts';
import { answerOpenApi } from './openapi.ts';
import { objectHandlers } from './registry/handlers.ts';
import { type ApiRequest, type KindRequest, parseRequest, type RequestInfo, type User } from './request.ts';
import { specialHandler } from './subresources/subresources.ts';
import { version } from './version.ts';

/** The whole way of a request: who may ask what, whose it is, and the answer. Never throws. */
export async function handleRequest(context: Context, request: ApiRequest): Promise<Answer> {
  const { answer, info } = await answerSafely(context, request);
  context.metrics.count(info?.verb ?? request.method, info?.resource?.plural ?? '', answer.status);
  return answer;
}

async function answerSafely(context: Context, request: ApiRequest): Promise<{ answer: Answer; info?: RequestInfo }> {
  let info: RequestInfo | undefined;
  try {
    info = parseRequest(request.method, request.path);
    const answer = await answerOf(context, impersonated(context, request), info);
    return { info, answer: wantsYaml(request) ? await toYaml(answer) : answer };
  } catch (error) {
    const status = toStatusError(error);
    if (status.code === 500) context.log.error('request failed', { method: request.method, path: request.path, error });
    return { info, answer: errorAnswer(status) };
  }
}

const wantsYaml = (request: ApiRequest) => mediaType(request.headers.accept) === 'application/yaml';

async function answerOf(context: Context, request: ApiRequest, info: RequestInfo): Promise<Answer> {
  if (!request.user && !isPublic(info.path)) throw unauthorized();
  if (request.user) assertAllowed(context, info, request.user);
  const remote = context.aggregator.answer(context, request, info);
  if (remote) return await remote;
  if (info.resource && request.user) return answerResource(context, request, info, request.user);
  if (info.method !== 'GET' && info.method !== 'HEAD') throw methodNotAllowed();
  const answer = await answerPath(context, request, info);
  if (!answer) throw noSuchPath();
  return answer;
}

/** Paths that are not about objects. */
async function answerPath(context: Context, request: ApiRequest, info: RequestInfo): Promise<Answer | undefined> {
  if (/^\/version\/?$/.test(info.path)) return jsonAnswer(version);
  if (info.path === '/openid/v1/jwks') return jsonAnswer(context.tokens.keys);
  if (info.path === '/.well-known/openid-configuration') return jsonAnswer(context.tokens.configuration);
  if (info.path === '/')
    return jsonAnswer({
      paths: ['/api', '/apis', '/healthz', '/livez', '/metrics', '/openapi/v2', '/openapi/v3', '/readyz', '/version'],
    });
  if (info.path === '/metrics') return answerMetrics(context);
  return (
    answerHealth(context, info) ??
    answerDiscovery(context.kinds, context.aggregator.groups(context.kinds), request, info) ??
    (await answerOpenApi(context, request, info))
  );
}

async function answerResource(context: Context, request: ApiRequest, info: RequestInfo, user: User): Promise<Answer> {
  const target = info.resource;
  const kind = target && context.kinds.find(target);
  if (!target || !kind || !hasSubresource(kind, target.subresource)) throw noSuchPath();
  if (!isInScope(kind, target)) throw noSuchPath();
  if (!offers(kind, info, target)) throw methodNotAllowed();
  const kindRequest: KindRequest = { request, info, target, kind, user, warnings: [] };
  const handler = specialHandler(kindRequest) ?? objectHandlers[info.verb];
  if (!handler) throw methodNotAllowed();
  const answer = await handler(context, kindRequest);
  if (kind.deprecation === undefined) return answer;
  return { ...answer, warnings: [kind.deprecation, ...(answer.warnings ?? [])] };
}
