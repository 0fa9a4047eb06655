import { apiVersion, leases } from '../api/resource.ts';
import type { ComponentStatus, Lease } from '../api/types.ts';
import type { Answer } from './answer.ts';
import { CachedObject, encodeObject } from './cache/object.ts';
import { objectKey } from './cache/watch-cache.ts';
import type { Context } from './context.ts';
import { notFound } from './errors.ts';
import { storeTrouble } from './health.ts';
import { objectAnswer } from './registry/handlers.ts';
import { listOf } from './registry/list.ts';
import type { KindRequest } from './request.ts';

/** What is wrong with each component, under the names that Kubernetes gives them; nothing where it is well. */
const components: Readonly<Record<string, (context: Context) => string | undefined>> = {
  'controller-manager': (context) => leaseTrouble(context, 'kube-controller-manager'),
  scheduler: (context) => leaseTrouble(context, 'kube-scheduler'),
  'etcd-0': storeTrouble,
};

export function listComponents(context: Context, request: KindRequest): Promise<Answer> {
  const objects = Object.keys(components).map((name) => statusOf(context, request, name));
  return listOf(context, request, objects);
}

export function readComponent(context: Context, request: KindRequest): Answer {
  const { kind, target } = request;
  if (!Object.hasOwn(components, target.name)) throw notFound(kind, target.name);
  return objectAnswer(request, statusOf(context, request, target.name), 200);
}

function statusOf(context: Context, { kind }: KindRequest, name: string): CachedObject {
  const trouble = components[name]?.(context);
  const found =
    trouble === undefined ? { status: 'True', message: 'ok' } : { status: 'False', message: '', error: trouble };
  const object: ComponentStatus = {
    kind: kind.kind,
    apiVersion: apiVersion(kind),
    metadata: { name },
    conditions: [{ type: 'Healthy', ...found }],
  };
  return new CachedObject('', 0, Buffer.from(encodeObject(object)), kind.fieldLabels);
}

/** Who holds a Lease renews it for as long as it works. */
function leaseTrouble({ cache }: Context, name: string): string | undefined {
  const lease = cache
    .resource(leases)
    .get(objectKey(leases, 'kube-system', name))
    ?.parse<Lease>();
  const { renewTime, leaseDurationSeconds = 0 } = lease?.spec ?? {};
  if (!renewTime) return `nobody holds the Lease kube-system/${name}`;
  const late = Date.parse(String(renewTime)) + leaseDurationSeconds * 1000 < Date.now();
  return late ? `the Lease kube-system/${name} was last renewed at ${renewTime}` : undefined;
}
