import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Kind } from '../api/kind.ts';
import { builtinKinds } from '../api/kinds/index.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import type { Store } from '../store/store.ts';
import { Admission } from './admission/chain.ts';
import { ConfiguredAdmission } from './admission/dynamic/configured.ts';
import { admissionPlugins } from './admission/plugins.ts';
import { Aggregator, type FrontProxy } from './aggregation/aggregator.ts';
import { publishAuthentication } from './aggregation/authentication.ts';
import { CustomServices } from './aggregation/local-services.ts';
import type { AuditOptions } from './audit/audit.ts';
import { MastersAuthorizer, UnionAuthorizer } from './auth/authorizers.ts';
import { BootstrapTokens } from './auth/bootstrap-tokens.ts';
import { impersonated } from './auth/impersonation.ts';
import { NodeAuthorizer } from './auth/node/authorizer.ts';
import { NodeGraph } from './auth/node/graph.ts';
import { RbacAuthorizer } from './auth/rbac.ts';
import { TokenIssuer } from './auth/tokens.ts';
import { type AnyRole, bootstrap, reconcileRoles } from './bootstrap.ts';
import { WatchCache } from './cache/watch-cache.ts';
import type { Context, KubeletTLS } from './context.ts';
import { startCustomResources } from './custom-resources/registrar.ts';
import { expireEvents } from './events-expiry.ts';
import { DanglingConditions } from './flowcontrol/dangling.ts';
import { FlowControl } from './flowcontrol/flow-control.ts';
import { handleRequest } from './handler.ts';
import { HttpServer, type Listen, type ServerTLS } from './http/server.ts';
import { KindTable } from './kinds.ts';
import { type LocalRequest, type LocalResponse, localResponse, toApiRequest } from './local.ts';
import { RequestMetrics } from './metrics.ts';
import type { ApiRequest } from './request.ts';
import { measuredKinds } from './resource-metrics.ts';
import { AddressBook } from './service-addresses/book.ts';
import { startAddressRepair } from './service-addresses/repair.ts';
import { mayBeStream } from './streaming/locate.ts';
import { answerStream, joinUpgrade } from './streaming/streams.ts';
import { refuseWithStatus } from './streaming/upgrade.ts';

export interface ApiServerOptions {
  readonly store: Store;
  readonly log: Log;
  /** Default: all built-in kinds. */
  readonly kinds?: readonly Kind[];
  readonly tls: ServerTLS;
  readonly kubeletTLS?: KubeletTLS;
  /** Who this server is to aggregated API servers; without it none is asked. */
  readonly frontProxy?: FrontProxy;
  /** PEM of the EC P-256 key that signs tokens, and their `iss`. */
  readonly serviceAccount: { readonly signingKey: string; readonly issuer: string };
  /** One a family, the default one first: `10.96.0.0/16`. */
  readonly serviceCIDRs: readonly string[];
  /** Both inclusive. */
  readonly nodePortRange: readonly [first: number, last: number];
  /** Where pods reach this server: the endpoint of the `kubernetes` Service. */
  readonly advertise: { readonly address: string; readonly port: number };
  readonly listen: readonly Listen[];
  /** Roles and bindings that there are from the start, beside Kubernetes' own. */
  readonly roles?: readonly AnyRole[];
  /** Without it no request is told of. */
  readonly audit?: AuditOptions;
  /** What others in this process have to say on `/metrics`, as lines for Prometheus. */
  moreMetrics?(): readonly string[];
}

export interface ApiServer extends Running {
  /** A request of a caller in the same process, who says who they are. */
  handle(request: LocalRequest): Promise<LocalResponse>;
  /** Where it listens, in the order of `listen`. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
}

/** History that watches may start in. */
const HISTORY_MS = 5 * 60_000;
const UPKEEP_MS = 15_000;

/**
 * Starts the API server on a store. The store stays the caller's to close, after `stop`.
 *
 * @throws KnitError `PORT_IN_USE`
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, log } = options;
  const kept = options.kinds ?? builtinKinds;
  // Who cannot ask kubelets has nothing to tell of what pods use.
  const kinds = new KindTable(options.kubeletTLS ? [...kept, ...measuredKinds] : kept);
  const cache = new WatchCache(store, kept);
  await cache.start();
  const tokens = new TokenIssuer(options.serviceAccount.signingKey, options.serviceAccount.issuer, cache);
  const bootstrapTokens = new BootstrapTokens(cache);
  const authorizer = new UnionAuthorizer([
    new MastersAuthorizer(),
    new NodeAuthorizer(new NodeGraph(cache)),
    new RbacAuthorizer(cache),
  ]);
  const dynamic = new ConfiguredAdmission(cache, kinds, authorizer);
  const book = new AddressBook(cache);
  const control = new FlowControl(cache);
  const context: Context = {
    store,
    cache,
    kinds,
    tokens,
    bootstrapTokens,
    metrics: new RequestMetrics(),
    moreMetrics: () => [...control.metrics(), ...(options.moreMetrics?.() ?? [])],
    log,
    kubeletTLS: options.kubeletTLS,
    aggregator: new Aggregator(cache, log, options.frontProxy),
    admission: new Admission(admissionPlugins(cache, book, options, authorizer), dynamic),
    authorizer,
  };
  await establish(context, options);
  await reconcileRoles(context);
  const stopRepair = startAddressRepair(context, book);
  const customResources = await startCustomResources(context);
  context.aggregator.start(context);
  const customServices = new CustomServices(context);
  customServices.start();
  const dangling = new DanglingConditions(context);
  dangling.start();
  const audit = options.audit && (await import('./audit/start.ts')).startAudit(options.audit, log);
  const answer = (request: ApiRequest, flows?: FlowControl) => {
    const handle = (told: ApiRequest) => handleRequest(context, told, flows);
    return audit ? audit.answer(request, handle) : handle(request);
  };
  const join = async (request: ApiRequest, req: IncomingMessage, socket: Duplex, head: Buffer): Promise<number> => {
    try {
      return await joinUpgrade(context, impersonated(context, request), req, socket, head);
    } catch (error) {
      return refuseWithStatus(socket, error);
    }
  };
  const stream = async (request: ApiRequest, req: IncomingMessage, res: ServerResponse): Promise<boolean> => {
    const tell = audit?.begin(request);
    const taken = await answerStream(context, impersonated(context, request), req, res);
    if (taken) tell?.(res.statusCode);
    return taken;
  };
  const http = new HttpServer({
    tls: options.tls,
    tokens: [tokens, bootstrapTokens],
    log,
    handle: (request) => answer(request, control),
    stream: (request, req, res) => mayBeStream(request) && stream(request, req, res),
    upgrade: async (request, req, socket, head) => {
      const tell = audit?.begin(request);
      const code = await join(request, req, socket, head);
      tell?.(code);
    },
  });
  const addresses = await http.listen(options.listen);
  const upkeep = setInterval(() => void keepUp(context, options), UPKEEP_MS);
  upkeep.unref();
  let stopped: Promise<void> | undefined;
  return {
    addresses,
    handle: async (request) => localResponse(await answer(toApiRequest(request)), request.signal),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };

  async function stop(): Promise<void> {
    clearInterval(upkeep);
    await http.close();
    await audit?.close();
    stopRepair();
    customResources.stop();
    context.aggregator.stop();
    await Promise.all([customServices.stop(), dangling.stop()]);
    dynamic.stop();
    cache.stop();
  }
}

/** Makes what every cluster has, where it is not there. */
async function establish(context: Context, options: ApiServerOptions): Promise<void> {
  await bootstrap(context, options);
  if (options.frontProxy) await publishAuthentication(context, options.frontProxy, options.tls.clientCA);
}

/** What has to be done from time to time: old events and old history go, and what somebody deleted comes back. */
async function keepUp(context: Context, options: ApiServerOptions): Promise<void> {
  try {
    await establish(context, options);
    await expireEvents(context);
    await context.cache.compact(HISTORY_MS);
  } catch (error) {
    context.log.warn('upkeep failed; it is tried again', { error });
  }
}
