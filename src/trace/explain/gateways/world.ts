import { isDeepStrictEqual } from 'node:util';
import { keyOf } from '../../../client/cache.ts';
import { ApiError } from '../../../client/client.ts';
import { parentKey } from '../../../edge/gateway/attachment.ts';
import { controllerName } from '../../../edge/gateway/classes.ts';
import type { Verdict } from '../../../edge/gateway/conditions.ts';
import type { Gateway, GatewayClass, Listener, ListenerSet, ParentReference } from '../../../edge/gateway/objects.ts';
import {
  type GatewayObjects,
  type GatewaysPlan,
  planGateways,
  type RouteOfKind,
  routesOf,
} from '../../../edge/gateway/plan.ts';
import { gatewayObjects, type ReadGateways, readGateways } from '../../../edge/gateway/reading.ts';
import { TLSPolicies } from '../../../edge/gateway/tls-policies.ts';
import type { Facts } from '../facts.ts';

/** All Gateways of a cluster. What is said of ours comes from their plan, of others from the status that they have. */
export interface GatewayWorld {
  readonly objects: GatewayObjects;
  readonly plan: GatewaysPlan;
  readonly tlsPolicies: TLSPolicies;
  readonly gateways: readonly GatewayView[];
  readonly routes: readonly RouteOfKind[];
  /** `Secret namespace/name` of what may not be read. */
  readonly unreadable: ReadonlySet<string>;
}

export interface GatewayView {
  readonly gateway: Gateway;
  /** Not there: nobody serves it. */
  readonly gatewayClass?: GatewayClass;
  /** knit serves it. */
  readonly isOwn: boolean;
  readonly addresses: readonly string[];
  readonly conditions: readonly Verdict[];
  /** Its own, then those of its ListenerSets. */
  readonly listeners: readonly ListenerView[];
  /** Those that name it, or a ListenerSet of it, as a parent. */
  readonly routes: readonly RouteView[];
}

export interface ListenerView {
  readonly owner: Gateway | ListenerSet;
  readonly listener: Listener;
  readonly attachedRoutes: number;
  readonly conditions: readonly Verdict[];
}

export interface RouteView extends RouteOfKind {
  readonly parents: readonly { readonly parentRef: ParentReference; readonly conditions: readonly Verdict[] }[];
}

/** Undefined where the cluster has no Gateway API. */
export async function gatewayWorld(facts: Facts): Promise<GatewayWorld | 'forbidden' | undefined> {
  let read: ReadGateways | undefined;
  try {
    read = await readGateways(facts.source);
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return 'forbidden';
    throw error;
  }
  if (!read) return undefined;
  const objects = gatewayObjects(read, await facts.services(), await facts.namespaces());
  const plan = planGateways(objects);
  const routes = routesOf(objects);
  const gateways = objects.gateways.map((gateway) => viewOf(gateway, objects, plan, routes));
  const tlsPolicies = new TLSPolicies(objects);
  return { objects, plan, tlsPolicies, gateways, routes, unreadable: read.unreadable };
}

function viewOf(
  gateway: Gateway,
  objects: GatewayObjects,
  plan: GatewaysPlan,
  routes: readonly RouteOfKind[],
): GatewayView {
  const gatewayClass = objects.classes.find(({ metadata }) => metadata?.name === gateway.spec.gatewayClassName);
  const key = `Gateway ${keyOf(gateway)}`;
  const sets = objects.listenerSets.filter((set) => parentKey(set.spec.parentRef, set) === key);
  const keys = [key, ...sets.map((set) => `ListenerSet ${keyOf(set)}`)];
  const planned = plan.gateways.find((each) => each.gateway === gateway);
  const { conditions = [], addresses = [] } = gateway.status ?? {};
  return {
    gateway,
    gatewayClass,
    isOwn: planned !== undefined,
    addresses: planned ? planned.addresses : addresses.map(({ value }) => value),
    conditions: planned ? planned.verdicts : conditions,
    listeners: [gateway, ...sets].flatMap((owner) => listenersOf(owner, plan)),
    routes: routes.flatMap((route) => {
      const parents = (route.route.spec.parentRefs ?? []).filter((ref) => keys.includes(parentKey(ref, route.route)));
      const controller = gatewayClass?.spec.controllerName;
      const told = parents.map((parentRef) => ({ parentRef, conditions: saidOf(route, parentRef, plan, controller) }));
      return told.length > 0 ? [{ ...route, parents: told }] : [];
    }),
  };
}

function listenersOf(owner: Gateway | ListenerSet, { gateways, listenerSets }: GatewaysPlan): ListenerView[] {
  const planned = gateways.find(({ gateway }) => gateway === owner) ?? listenerSets.find(({ set }) => set === owner);
  return owner.spec.listeners.map((listener) => {
    const ofPlan = planned?.listeners.find(({ name }) => name === listener.name);
    const ofStatus = owner.status?.listeners?.find(({ name }) => name === listener.name);
    return {
      owner,
      listener,
      attachedRoutes: (planned ? ofPlan : ofStatus)?.attachedRoutes ?? 0,
      // A set that its Gateway does not take has no listeners in the plan.
      conditions: planned ? (ofPlan ?? planned).verdicts : (ofStatus?.conditions ?? []),
    };
  });
}

function saidOf(
  { route, kind }: RouteOfKind,
  parentRef: ParentReference,
  plan: GatewaysPlan,
  controller: string | undefined,
): readonly Verdict[] {
  const isSame = (each: { readonly parentRef: ParentReference }) => isDeepStrictEqual(each.parentRef, parentRef);
  if (controller === controllerName) {
    const report = plan.routes.find((each) => each.kind === kind && each.route === route);
    return report?.parents.find(isSame)?.verdicts ?? [];
  }
  const said = route.status?.parents?.filter(({ controllerName: by }) => by === controller);
  return said?.find((each) => sameParent(each.parentRef, parentRef))?.conditions ?? [];
}

/** Whoever writes a status may write out what a reference leaves to its defaults. */
function sameParent(a: ParentReference, b: ParentReference): boolean {
  return a.name === b.name && a.sectionName === b.sectionName && a.port === b.port;
}

/** The condition of a type, where it has one. */
export const conditionOf = (conditions: readonly Verdict[], type: string): Verdict | undefined =>
  conditions.find((each) => each.type === type);

/** What does not hold. */
export function brokenOf(conditions: readonly Verdict[], type: string): Verdict | undefined {
  const found = conditionOf(conditions, type);
  return found?.status === 'False' ? found : undefined;
}

export const gatewayText = (gateway: Gateway): string => `Gateway ${keyOf(gateway)}`;
export const routeText = ({ kind, route }: RouteOfKind): string => `${kind} ${keyOf(route)}`;

/** `listener http of Gateway shop/web` */
export function listenerText({ owner, listener }: ListenerView): string {
  return `listener ${listener.name} of ${'parentRef' in owner.spec ? 'ListenerSet' : 'Gateway'} ${keyOf(owner)}`;
}
