import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../../api/resource.ts';
import type { KubeObject } from '../../api/types.ts';
import type { Log } from '../../base/log.ts';
import { keyOf, splitKey } from '../../client/cache.ts';
import type { Client } from '../../client/client.ts';
import { type Controller, runController } from '../../client/controller.ts';
import { controllerName, supportedFeatures } from './classes.ts';
import { conditionsOf, type Verdict, verdict } from './conditions.ts';
import {
  type BackendTLSPolicy,
  backendTLSPolicies,
  type Gateway,
  type GatewayClass,
  type GatewayStatus,
  gatewayClasses,
  gatewayGroup,
  gateways,
  grpcRoutes,
  httpRoutes,
  type ListenerSet,
  listenerSets,
  type RouteObject,
  tlsRoutes,
} from './objects.ts';
import type { GatewaysPlan, RouteReport } from './plan.ts';
import type { PolicyReport } from './tls-policies.ts';
import type { GatewayReport } from './verdicts.ts';

export interface ReportsOptions {
  readonly client: Client;
  readonly log: Log;
  /** The object as it is now. */
  present(resource: Resource, key: string): KubeObject | undefined;
}

const routeKinds = [httpRoutes, grpcRoutes, tlsRoutes];

/** A status that an object should have, as it follows from the one that it has. */
interface Wanted {
  readonly resource: Resource;
  readonly key: string;
  statusOf(present: KubeObject, now: string): object;
}

/** Writes the statuses of classes, Gateways and routes, where they differ. */
export class Reports {
  readonly #options: ReportsOptions;
  readonly #controller: Controller;
  readonly #wanted = new Map<string, Wanted>();

  constructor(options: ReportsOptions) {
    this.#options = options;
    this.#controller = runController({ name: 'gateway-status', log: options.log, sync: (id) => this.#sync(id) });
  }

  classes(classes: readonly GatewayClass[]): void {
    for (const each of classes) {
      if (each.spec.controllerName === controllerName) this.#want(gatewayClasses, each, classStatus(each));
    }
  }

  /** Says what the proxy holds; where it could not be brought to it, why. */
  report(plan: GatewaysPlan, failure?: string): void {
    for (const each of plan.gateways) this.#want(gateways, each.gateway, gatewayStatus(each, failure));
    for (const each of plan.listenerSets) {
      this.#want(listenerSets, each.set, listenersStatus(each.set, each, failure));
    }
    for (const each of plan.routes) {
      const resource = routeKinds.find(({ kind }) => kind === each.kind);
      if (resource) this.#want(resource, each.route, routeStatus(each));
    }
    for (const each of plan.policies) this.#want(backendTLSPolicies, each.policy, policyStatus(each));
  }

  async stop(): Promise<void> {
    await this.#controller.stop();
  }

  #want(resource: Resource, object: KubeObject, statusOf: Wanted['statusOf']): void {
    const key = keyOf(object);
    const id = `${resource.plural}/${key}`;
    this.#wanted.set(id, { resource, key, statusOf });
    if (this.#change(id)) this.#controller.enqueue(id);
  }

  #change(id: string): { readonly wanted: Wanted; readonly present: KubeObject; readonly status: object } | undefined {
    const wanted = this.#wanted.get(id);
    const present = wanted && this.#options.present(wanted.resource, wanted.key);
    if (!wanted || !present) return void this.#wanted.delete(id);
    const status = wanted.statusOf(present, new Date().toISOString().replace(/\.\d+/, ''));
    const before = (present as { status?: object }).status ?? {};
    return isDeepStrictEqual({ ...before, ...status }, before) ? undefined : { wanted, present, status };
  }

  async #sync(id: string): Promise<void> {
    const change = this.#change(id);
    if (!change) return;
    const { wanted, present, status } = change;
    const { namespace, name } = splitKey(wanted.key);
    // Others write into the same lists.
    const metadata = { resourceVersion: present.metadata?.resourceVersion };
    await this.#options.client.patch(wanted.resource, { namespace, name }, 'merge', { metadata, status }, 'status');
  }
}

function classStatus({ metadata }: GatewayClass): Wanted['statusOf'] {
  const verdicts = [verdict('Accepted', true, 'Accepted', 'served by knit')];
  return (present, now) => ({
    conditions: conditionsOf(verdicts, (present as GatewayClass).status?.conditions, metadata?.generation, now),
    supportedFeatures: supportedFeatures.map((name) => ({ name })),
  });
}

function gatewayStatus(report: GatewayReport, failure?: string): Wanted['statusOf'] {
  const { addresses, attachedListenerSets } = report;
  const ofListeners = listenersStatus(report.gateway, report, failure);
  return (present, now): GatewayStatus => ({
    addresses: addresses.map((value) => ({ type: 'IPAddress', value })),
    attachedListenerSets,
    ...ofListeners(present, now),
  });
}

/** What Gateways and ListenerSets have alike. Where the proxy could not be brought to it, nothing is programmed. */
function listenersStatus(
  { metadata }: KubeObject,
  { verdicts, listeners }: Pick<GatewayReport, 'verdicts' | 'listeners'>,
  failure?: string,
): (present: KubeObject, now: string) => Pick<GatewayStatus, 'conditions' | 'listeners'> {
  const failed = failure === undefined ? [] : [verdict('Programmed', false, 'Invalid', failure)];
  const overruled = (all: readonly Verdict[]) => [
    ...all.filter(({ type }) => !failed.some((each) => each.type === type)),
    ...failed,
  ];
  return (present, now) => {
    const status = (present as Gateway | ListenerSet).status ?? {};
    return {
      conditions: conditionsOf(overruled(verdicts), status.conditions, metadata?.generation, now),
      listeners: listeners.map(({ name, kinds, attachedRoutes, verdicts: own }) => {
        const before = status.listeners?.find((each) => each.name === name)?.conditions;
        const conditions = conditionsOf(overruled(own), before, metadata?.generation, now);
        return { name, supportedKinds: [...kinds], attachedRoutes, conditions };
      }),
    };
  };
}

function routeStatus({ route, parents }: RouteReport): Wanted['statusOf'] {
  return (present, now) => {
    const before = (present as RouteObject).status?.parents ?? [];
    const others = before.filter((each) => each.controllerName !== controllerName);
    const ours = parents.map(({ parentRef, verdicts }) => {
      const same = before.find(
        (each) => each.controllerName === controllerName && isDeepStrictEqual(each.parentRef, parentRef),
      );
      return {
        parentRef,
        controllerName,
        conditions: conditionsOf(verdicts, same?.conditions, route.metadata?.generation, now),
      };
    });
    return others.length + ours.length + before.length === 0 ? {} : { parents: [...others, ...ours] };
  };
}

/** As many as a status holds. */
const mostAncestors = 16;

function policyStatus({ policy, gateways: keys, verdicts }: PolicyReport): Wanted['statusOf'] {
  return (present, now) => {
    const before = (present as BackendTLSPolicy).status?.ancestors ?? [];
    const others = before.filter((each) => each.controllerName !== controllerName);
    const ours = keys.map((key) => {
      const ancestorRef = { group: gatewayGroup, kind: 'Gateway', ...splitKey(key) };
      const same = before.find(
        (each) => each.controllerName === controllerName && isDeepStrictEqual(each.ancestorRef, ancestorRef),
      );
      return {
        ancestorRef,
        controllerName,
        conditions: conditionsOf(verdicts, same?.conditions, policy.metadata?.generation, now),
      };
    });
    const ancestors = [...others, ...ours].slice(0, mostAncestors);
    return ancestors.length + before.length === 0 ? {} : { ancestors };
  };
}
