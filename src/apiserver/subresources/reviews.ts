import { parseFieldSelector } from '../../api/field-selectors.ts';
import type { KubeObject } from '../../api/types.ts';
import { type Answer, jsonAnswer } from '../answer.ts';
import type { Attributes, ResourceRule } from '../auth/authorizer.ts';
import type { Context } from '../context.ts';
import { badRequest } from '../errors.ts';
import { hasProtobuf } from '../kinds.ts';
import { negotiate } from '../negotiation.ts';
import { now } from '../registry/write.ts';
import type { KindRequest, User } from '../request.ts';
import { readBodyAs } from './bodies.ts';

interface ReviewSpec {
  user?: string;
  uid?: string;
  groups?: string[];
  namespace?: string;
  token?: string;
  audiences?: string[];
  resourceAttributes?: {
    namespace?: string;
    verb?: string;
    group?: string;
    version?: string;
    resource?: string;
    subresource?: string;
    name?: string;
    fieldSelector?: { rawSelector?: string; requirements?: FieldRequirement[] };
  };
  nonResourceAttributes?: { path?: string; verb?: string };
}

interface FieldRequirement {
  key?: string;
  operator?: string;
  values?: string[];
}

type Review = KubeObject & { spec?: ReviewSpec };

/** A review is answered and not kept: it has neither a table nor metadata alone. */
const acceptedOf = ({ request, kind }: KindRequest) => negotiate(request.headers.accept, [], hasProtobuf(kind));

async function answer(request: KindRequest, make: (spec: ReviewSpec) => unknown): Promise<Answer> {
  const { kind } = request;
  const { format } = acceptedOf(request);
  const review = await readBodyAs<Review>(request, kind.definition, kind.kind);
  const metadata = { ...review.metadata, creationTimestamp: null };
  const head = { kind: kind.kind, apiVersion: `${kind.group}/${kind.version}`, metadata };
  return {
    ...jsonAnswer({ ...head, spec: review.spec, status: make(review.spec ?? {}) }, 201),
    warnings: request.warnings,
    format,
  };
}

/** `kubectl auth whoami`. */
export async function reviewSelf(_context: Context, request: KindRequest): Promise<Answer> {
  const { kind, user } = request;
  const { format } = acceptedOf(request);
  const status = { userInfo: userInfo(user) };
  const metadata = { creationTimestamp: now() };
  const review = { kind: kind.kind, apiVersion: `${kind.group}/${kind.version}`, metadata, status };
  return { ...jsonAnswer(review, 201), format };
}

const userInfo = ({ name, uid, groups, extra }: User) => ({ username: name, uid, groups, extra });

export function reviewToken(context: Context, request: KindRequest): Promise<Answer> {
  return answer(request, ({ token = '', audiences }) => {
    const wanted = audiences?.length ? audiences : [context.tokens.issuer];
    const verified = context.tokens.verify(token, wanted) ?? verifiedBootstrapToken(context, token, wanted);
    if (!verified) return { authenticated: false, user: {}, error: 'invalid bearer token' };
    return { authenticated: true, user: userInfo(verified.user), audiences: verified.audiences };
  });
}

/** Bootstrap tokens are for this server alone. */
function verifiedBootstrapToken({ tokens, bootstrapTokens }: Context, token: string, wanted: readonly string[]) {
  const user = wanted.includes(tokens.issuer) ? bootstrapTokens.userOf(token) : undefined;
  return user && { user, audiences: [tokens.issuer] };
}

/** May I? */
export function reviewSelfAccess(context: Context, request: KindRequest): Promise<Answer> {
  return answer(request, (spec) => decide(context, request.user, spec));
}

/** May they? */
export function reviewAccess(context: Context, request: KindRequest): Promise<Answer> {
  return answer(request, (spec) => {
    if (!spec.user && !spec.groups?.length)
      throw badRequest('spec.user: at least one of user or group must be specified');
    return decide(context, { name: spec.user ?? '', uid: spec.uid, groups: spec.groups ?? [] }, spec);
  });
}

function decide(context: Context, user: User, spec: ReviewSpec) {
  const { allowed, reason } = context.authorizer.authorize(attributesOf(user, spec));
  return { allowed, reason: reason || undefined };
}

function attributesOf(user: User, { resourceAttributes: about, nonResourceAttributes: path }: ReviewSpec): Attributes {
  if (!about) return { user, verb: path?.verb ?? '', path: path?.path ?? '' };
  const { namespace = '', verb = '', group = '', version = '', resource = '', subresource = '', name = '' } = about;
  const selected = selectedFields(about.fieldSelector ?? {});
  return { user, verb, resource: { group, version, plural: resource, subresource, namespace, name, selected } };
}

/** Equalities of a field selector, given as a text or divided. What cannot be read narrows nothing down. */
function selectedFields({
  rawSelector,
  requirements = [],
}: {
  rawSelector?: string;
  requirements?: FieldRequirement[];
}) {
  const equalities = requirements.flatMap(({ key, operator, values = [] }): [string, string][] => {
    const [value] = values;
    return key && operator === 'In' && value !== undefined && values.length === 1 ? [[key, value]] : [];
  });
  if (!rawSelector) return Object.fromEntries(equalities);
  try {
    return parseFieldSelector(rawSelector).equalities;
  } catch {
    return {};
  }
}

/** `kubectl auth can-i --list`. */
export function reviewRules(context: Context, request: KindRequest): Promise<Answer> {
  return answer(request, ({ namespace = '' }) => {
    const rules = context.authorizer.rulesFor(request.user, namespace);
    const unresolved = context.authorizer.unresolved?.(request.user);
    return {
      resourceRules: rules.filter((rule) => rule.resources?.length).map(resourceRule),
      nonResourceRules: rules
        .filter((rule) => rule.nonResourceURLs?.length)
        .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
      incomplete: unresolved !== undefined,
      evaluationError: unresolved,
    };
  });
}

const resourceRule = ({ verbs, apiGroups, resources, resourceNames }: ResourceRule) => ({
  verbs,
  apiGroups,
  resources,
  resourceNames,
});
