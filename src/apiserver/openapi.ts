import { createHash } from 'node:crypto';
import { METRICS_GROUP } from '../api/kinds/metrics.ts';
import type { OpenApiDocument } from '../api/openapi/index.ts';
import type { RemoteGroup } from './aggregation/aggregator.ts';
import { type Answer, bytesAnswer } from './answer.ts';
import type { Context } from './context.ts';
import { mediaType } from './negotiation.ts';
import type { ApiRequest, RequestInfo } from './request.ts';

/** Documents are made when somebody asks, and kept: they are the same until the kinds change. */
const documents = new WeakMap<Context, Documents>();

interface Documents {
  /** Of the kinds that they tell of. */
  readonly revision: number;
  readonly kept: Map<string, { body: Buffer; etag: string }>;
}

function keptOf(context: Context): Documents['kept'] {
  const known = documents.get(context);
  if (known?.revision === context.kinds.revision) return known.kept;
  const kept: Documents['kept'] = new Map();
  documents.set(context, { revision: context.kinds.revision, kept });
  return kept;
}

/** `/openapi/v2`, `/openapi/v3` and a document for each group and version. */
export async function answerOpenApi(
  context: Context,
  request: ApiRequest,
  info: RequestInfo,
): Promise<Answer | undefined> {
  if (!info.path.startsWith('/openapi/v')) return undefined;
  const form = formOf(info.path, request.headers.accept);
  const found = await documentOf(context, info.path, form);
  if (!found) return undefined;
  const headers: Record<string, string> = { etag: found.etag, vary: 'Accept, Accept-Encoding', 'content-type': form };
  if (request.headers['if-none-match'] === found.etag) return { status: 304, headers, body: [] };
  const answer = bytesAnswer([found.body], 200, headers);
  // Whoever asks with the hash asks for this very document, for ever.
  if (info.query.has('hash'))
    return { ...answer, headers: { ...answer.headers, 'cache-control': 'public, immutable' } };
  return answer;
}

type Form = 'application/json' | typeof protobuf;

/** What Go clients ask `/openapi/v2` for, and read nothing else; some leave out the `@`, as older servers wanted. */
const protobuf = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const isProtobuf = /^application\/com\.github\.proto-openapi\.spec\.v2[.@]v1\.0\+protobuf$/;

/** The first form of the `Accept` header that there is. */
function formOf(path: string, accept = ''): Form {
  if (path !== '/openapi/v2') return 'application/json';
  for (const range of accept.split(',')) {
    const type = mediaType(range);
    if (isProtobuf.test(type)) return protobuf;
    if (type === 'application/json') return 'application/json';
  }
  return 'application/json';
}

async function documentOf(
  context: Context,
  path: string,
  form: Form,
): Promise<{ body: Buffer; etag: string } | undefined> {
  const kept = keptOf(context);
  const key = `${form} ${path}`;
  const known = kept.get(key);
  if (known) return known;
  const value = await makeDocument(context, path);
  if (value === undefined) return undefined;
  const body = form === protobuf ? await toProtobuf(value) : Buffer.from(JSON.stringify(value));
  const made = { body, etag: `"${createHash('sha256').update(body).digest('hex').toUpperCase()}"` };
  kept.set(key, made);
  return made;
}

async function toProtobuf(document: OpenApiDocument): Promise<Buffer> {
  const { openapiV2Protobuf } = await import('../api/openapi/index.ts');
  return Buffer.from(openapiV2Protobuf(document));
}

async function makeDocument({ kinds, aggregator }: Context, path: string): Promise<OpenApiDocument | undefined> {
  const { openapiV2, openapiV3, openapiV3Index } = await import('../api/openapi/index.ts');
  const documented = kinds.all.filter((kind) => kind.group !== METRICS_GROUP);
  if (path === '/openapi/v2') return openapiV2(documented);
  if (path === '/openapi/v3') return withRemote(openapiV3Index(documented), aggregator.groups(kinds));
  const [, group = '', version = ''] = /^\/openapi\/v3\/(?:api|apis\/([^/]+))\/([^/]+)$/.exec(path) ?? [];
  return kinds.inGroupVersion(group, version).length > 0 ? openapiV3(documented, group, version) : undefined;
}

/** Documents of other servers are asked of them, under the same path. */
function withRemote(index: OpenApiDocument, groups: readonly RemoteGroup[]): OpenApiDocument {
  const entries = groups.flatMap(({ name, versions }) =>
    versions.map(({ version }) => {
      const path = `apis/${name}/${version}`;
      return [path, { serverRelativeURL: `/openapi/v3/${path}` }];
    }),
  );
  return { paths: { ...(index.paths as object), ...Object.fromEntries(entries) } };
}
