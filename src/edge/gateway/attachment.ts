import type { KubeObject, Labels } from '../../api/types.ts';
import type { Problem } from './conditions.ts';
import { intersection } from './hostnames.ts';
import { admits, type PlannedListener } from './listeners.ts';
import { gatewayGroup, type ObjectReference, type ParentReference, type RouteObject } from './objects.ts';

/** A route and what is read of its kind and namespace. */
export interface AttachingRoute {
  readonly kind: string;
  readonly route: RouteObject;
  readonly namespaceLabels: Labels | undefined;
}

/** A listener that a route is attached to, and the hosts that both mean. */
export interface Attachment {
  readonly listener: PlannedListener;
  readonly hosts: readonly string[];
}

/** A route that has hosts of a listener. */
export interface AttachedRoute {
  readonly kind: string;
  /** `namespace/name` */
  readonly key: string;
  readonly hosts: readonly string[];
}

/** A host of a listener is for requests or for calls: the older route has it (GRPCRoute, "cross serving"). */
export function crossServing(route: AttachedRoute, attached: readonly AttachedRoute[]): Problem | undefined {
  const other = attached.find(
    ({ kind, hosts }) =>
      kind !== route.kind && hosts.some((a) => route.hosts.some((b) => intersection(a, b) !== undefined)),
  );
  return other && problem('HostnameConflict', `${other.kind} ${other.key}, which is older, has a host of this route`);
}

/** `KIND namespace/name` of what a parent is. */
export function parentKey(parent: ObjectReference, { metadata }: KubeObject): string {
  const { group = gatewayGroup, kind = 'Gateway', namespace = metadata?.namespace, name } = parent;
  return `${group === gatewayGroup ? kind : `${group}/${kind}`} ${namespace}/${name}`;
}

/** The listeners that a route attaches to by one of its parents, or why there are none. */
export function attach(
  { kind, route, namespaceLabels }: AttachingRoute,
  { sectionName, port }: ParentReference,
  listeners: readonly PlannedListener[],
): readonly Attachment[] | Problem {
  const named = listeners.filter(
    ({ listener }) => (sectionName ?? listener.name) === listener.name && (port ?? listener.port) === listener.port,
  );
  if (named.length === 0) return problem('NoMatchingParent', 'there is no such listener');
  const namespace = route.metadata?.namespace ?? '';
  const admitting = named.filter((each) => admits(each, { kind, namespace, namespaceLabels }));
  if (admitting.length === 0) {
    return problem('NotAllowedByListeners', `no listener admits a ${kind} from the namespace ${namespace}`);
  }
  const attachments = admitting.flatMap((listener) => {
    const hosts = hostsOf(route, listener);
    return hosts.length > 0 ? [{ listener, hosts }] : [];
  });
  return attachments.length > 0
    ? attachments
    : problem('NoMatchingListenerHostname', 'no listener has a host of this route');
}

function hostsOf({ spec }: RouteObject, { host }: PlannedListener): string[] {
  const own = spec.hostnames?.length ? spec.hostnames.map((each) => each.toLowerCase()) : [''];
  return [...new Set(own.flatMap((each) => intersection(host, each) ?? []))];
}

function problem(reason: string, message: string): Problem {
  return { reason, message };
}
