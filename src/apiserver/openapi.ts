import { createHash } from 'node:crypto';
import { type Answer, bytesAnswer } from './answer.ts';
import type { Context } from './context.ts';
import type { ApiRequest, RequestInfo } from './request.ts';

/** Documents are made when somebody asks, and kept: they are the same until the kinds change. */
const documents = new WeakMap<object, Map<string, { body: Buffer; etag: string }>>();

/** `/openapi/v2`, `/openapi/v3` and a document for each group and version. */
export async function answerOpenApi(
  context: Context,
  request: ApiRequest,
  info: RequestInfo,
): Promise<Answer | undefined> {
  if (!info.path.startsWith('/openapi/v')) return undefined;
  const found = await documentOf(context, info.path);
  if (!found) return undefined;
  const headers: Record<string, string> = { etag: found.etag, vary: 'Accept, Accept-Encoding' };
  if (request.headers['if-none-match'] === found.etag) return { status: 304, headers, body: [] };
  const answer = bytesAnswer([found.body], 200, headers);
  // Whoever asks with the hash asks for this very document, for ever.
  if (info.query.has('hash'))
    return { ...answer, headers: { ...answer.headers, 'cache-control': 'public, immutable' } };
  return answer;
}

async function documentOf(context: Context, path: string): Promise<{ body: Buffer; etag: string } | undefined> {
  const kept = documents.get(context) ?? new Map<string, { body: Buffer; etag: string }>();
  documents.set(context, kept);
  const known = kept.get(path);
  if (known) return known;
  const value = await makeDocument(context, path);
  if (value === undefined) return undefined;
  const body = Buffer.from(JSON.stringify(value));
  const made = { body, etag: `"${createHash('sha256').update(body).digest('hex').toUpperCase()}"` };
  kept.set(path, made);
  return made;
}

async function makeDocument({ kinds }: Context, path: string): Promise<unknown> {
  const { openapiV2, openapiV3, openapiV3Index } = await import('../api/openapi/index.ts');
  if (path === '/openapi/v2') return openapiV2(kinds.all);
  if (path === '/openapi/v3') return openapiV3Index(kinds.all);
  const [, group = '', version = ''] = /^\/openapi\/v3\/(?:api|apis\/([^/]+))\/([^/]+)$/.exec(path) ?? [];
  return kinds.inGroupVersion(group, version).length > 0 ? openapiV3(kinds.all, group, version) : undefined;
}
