import { nodes, pods, secrets } from '../../api/resource.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { KubeObject, Pod, ServiceAccount, TokenRequest } from '../../api/types.ts';
import { type Answer, jsonAnswer } from '../answer.ts';
import type { TokenBinding } from '../auth/tokens.ts';
import { objectKey } from '../cache/watch-cache.ts';
import type { Context } from '../context.ts';
import { badRequest, conflict, invalid, notFound } from '../errors.ts';
import { readObject } from '../registry/handlers.ts';
import { now } from '../registry/write.ts';
import type { KindRequest } from '../request.ts';
import { admittedBody, tokenRequestKind } from './bodies.ts';

const HOUR = 3600;
const SHORTEST = 600;
/** A token that is asked for longer lasts so long (a day); Kubernetes leaves the bound to the cluster. */
const LONGEST = 24 * HOUR;

/** POST serviceaccounts/NAME/token. */
export async function requestToken(context: Context, request: KindRequest): Promise<Answer> {
  const account = (await readObject(context, request)).parse<ServiceAccount>();
  const order = await admittedBody<TokenRequest>(context, request, tokenRequestKind);
  const { namespace, name } = request.target;
  const asked = order.spec?.expirationSeconds ?? HOUR;
  if (asked < SHORTEST) {
    const message = `Invalid value: ${asked}: may not specify a duration less than 10 minutes`;
    throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', [
      { reason: 'FieldValueInvalid', field: 'spec.expirationSeconds', message },
    ]);
  }
  const audiences = order.spec?.audiences?.length ? order.spec.audiences : [context.tokens.issuer];
  const binding = bindingOf(context, request, order);
  // Bound to a Secret it lasts as long as that: tokens for what runs elsewhere are made so.
  const seconds = binding?.kind === 'Secret' ? asked : Math.min(asked, LONGEST);
  const { token, expires } = context.tokens.issue({
    namespace,
    serviceAccount: name,
    uid: account.metadata?.uid ?? '',
    audiences,
    seconds,
    binding,
  });
  return jsonAnswer(
    {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name, namespace, creationTimestamp: now() },
      spec: { ...order.spec, audiences, expirationSeconds: seconds },
      status: { token, expirationTimestamp: formatTime(expires) },
    },
    201,
  );
}

function bindingOf(context: Context, request: KindRequest, order: TokenRequest): TokenBinding | undefined {
  const reference = order.spec?.boundObjectRef;
  if (!reference) return undefined;
  const { kind, name = '', uid } = reference;
  if (kind !== 'Pod' && kind !== 'Secret' && kind !== 'Node')
    throw badRequest(`cannot bind token for object of type ${kind}`);
  const resource = { Pod: pods, Secret: secrets, Node: nodes }[kind];
  const namespace = kind === 'Node' ? '' : request.target.namespace;
  const found = context.cache.resource(resource).get(objectKey(resource, namespace, name));
  if (!found) throw notFound(resource, name);
  const object = found.parse<KubeObject>();
  const present = object.metadata?.uid ?? '';
  if (uid && uid !== present) {
    throw conflict(
      resource,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  if (kind !== 'Pod') return { kind, name, uid: present };
  const { spec } = object as Pod;
  if (spec?.serviceAccountName !== request.target.name) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(request.target.name)} to pod running with different serviceaccount name.`,
    );
  }
  const { nodeName } = spec;
  if (!nodeName) return { kind, name, uid: present };
  const node = context.cache
    .resource(nodes)
    .get(objectKey(nodes, '', nodeName))
    ?.parse();
  return { kind, name, uid: present, node: { name: nodeName, uid: node?.metadata?.uid } };
}
