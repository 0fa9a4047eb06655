import type { Resource } from '../../api/resource.ts';
import type { KubeObject, LabelSelector } from '../../api/types.ts';

/** The Gateway API's objects, as far as they are read here. */
export const gatewayGroup = 'gateway.networking.k8s.io';

const define = <T extends KubeObject>(
  kind: string,
  plural: string,
  version = 'v1',
  namespaced = true,
): Resource<T> => ({
  group: gatewayGroup,
  version,
  kind,
  plural,
  namespaced,
});

export const gatewayClasses = define<GatewayClass>('GatewayClass', 'gatewayclasses', 'v1', false);
export const gateways = define<Gateway>('Gateway', 'gateways');
export const listenerSets = define<ListenerSet>('ListenerSet', 'listenersets');
export const httpRoutes = define<HTTPRoute>('HTTPRoute', 'httproutes');
export const tlsRoutes = define<TLSRoute>('TLSRoute', 'tlsroutes');
export const grpcRoutes = define<GRPCRoute>('GRPCRoute', 'grpcroutes');
export const backendTLSPolicies = define<BackendTLSPolicy>('BackendTLSPolicy', 'backendtlspolicies');
/** In this version it is served by all releases. */
export const referenceGrants = define<ReferenceGrant>('ReferenceGrant', 'referencegrants', 'v1beta1');

/** The order in which objects of a kind have what only one can have; of the same second the first by name. */
export function olderFirst(a: KubeObject, b: KubeObject): number {
  const age = ({ metadata }: KubeObject) => `${metadata?.creationTimestamp} ${metadata?.namespace}/${metadata?.name}`;
  return age(a) < age(b) ? -1 : 1;
}

export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number;
}

export interface GatewayClass extends KubeObject {
  spec: { controllerName: string; parametersRef?: { group: string; kind: string; name: string } };
  status?: { conditions?: Condition[]; supportedFeatures?: { name: string }[] };
}

export interface Gateway extends KubeObject {
  spec: {
    gatewayClassName: string;
    listeners: Listener[];
    addresses?: { type?: string; value?: string }[];
    tls?: { frontend?: FrontendTLS; backend?: { clientCertificateRef?: ObjectReference } };
    allowedListeners?: { namespaces?: AllowedNamespaces };
    infrastructure?: {
      labels?: Record<string, string>;
      annotations?: Record<string, string>;
      parametersRef?: { group: string; kind: string; name: string };
    };
  };
  status?: GatewayStatus;
}

/** Which clients a Gateway's HTTPS listeners let in, by default and at single ports. */
export interface FrontendTLS {
  default: { validation?: ClientValidation };
  perPort?: { port: number; tls: { validation?: ClientValidation } }[];
}

export interface ClientValidation {
  caCertificateRefs: ObjectReference[];
  mode?: string;
}

export interface AllowedNamespaces {
  from?: string;
  selector?: LabelSelector;
}

/** Listeners that somebody adds to a Gateway. */
export interface ListenerSet extends KubeObject {
  spec: { parentRef: ObjectReference; listeners: Listener[] };
  status?: Pick<GatewayStatus, 'conditions' | 'listeners'>;
}

export interface Listener {
  name: string;
  hostname?: string;
  port: number;
  protocol: string;
  tls?: { mode?: string; certificateRefs?: ObjectReference[] };
  allowedRoutes?: {
    namespaces?: AllowedNamespaces;
    kinds?: RouteGroupKind[];
  };
}

export interface RouteGroupKind {
  group?: string;
  kind: string;
}

export interface ObjectReference {
  group?: string;
  kind?: string;
  name: string;
  namespace?: string;
}

export interface GatewayStatus {
  addresses?: { type?: string; value: string }[];
  conditions?: Condition[];
  listeners?: ListenerStatus[];
  attachedListenerSets?: number;
}

export interface ListenerStatus {
  name: string;
  supportedKinds: RouteGroupKind[];
  attachedRoutes: number;
  conditions: Condition[];
}

export interface ParentReference extends ObjectReference {
  sectionName?: string;
  port?: number;
}

export interface RouteParentStatus {
  parentRef: ParentReference;
  controllerName: string;
  conditions?: Condition[];
}

/** What all kinds of routes have. */
export interface RouteObject extends KubeObject {
  spec: { parentRefs?: ParentReference[]; hostnames?: string[] };
  status?: { parents?: RouteParentStatus[] };
}

export interface HTTPRoute extends RouteObject {
  spec: RouteObject['spec'] & { rules?: HTTPRouteRule[] };
}

export interface HTTPRouteRule {
  matches?: HTTPRouteMatch[];
  filters?: RouteFilter[];
  backendRefs?: BackendReference[];
  timeouts?: { request?: string; backendRequest?: string };
}

export interface HTTPRouteMatch {
  path?: { type?: string; value?: string };
  headers?: ValueMatch[];
  queryParams?: ValueMatch[];
  method?: string;
}

export interface ValueMatch {
  type?: string;
  name: string;
  value: string;
}

export interface GRPCRoute extends RouteObject {
  spec: RouteObject['spec'] & { rules?: GRPCRouteRule[] };
}

export interface GRPCRouteRule {
  matches?: { method?: { type?: string; service?: string; method?: string }; headers?: ValueMatch[] }[];
  filters?: RouteFilter[];
  backendRefs?: BackendReference[];
}

export interface TLSRoute extends RouteObject {
  spec: RouteObject['spec'] & { rules?: { backendRefs?: BackendReference[] }[] };
}

export interface BackendReference extends ObjectReference {
  port?: number;
  weight?: number;
  filters?: RouteFilter[];
}

export interface RouteFilter {
  type: string;
  requestHeaderModifier?: HeaderModifier;
  responseHeaderModifier?: HeaderModifier;
  requestRedirect?: {
    scheme?: string;
    hostname?: string;
    path?: PathModifier;
    port?: number;
    statusCode?: number;
  };
  urlRewrite?: { hostname?: string; path?: PathModifier };
  cors?: {
    allowOrigins?: string[];
    allowCredentials?: boolean;
    allowMethods?: string[];
    allowHeaders?: string[];
    exposeHeaders?: string[];
    maxAge?: number;
  };
}

export interface HeaderModifier {
  set?: { name: string; value: string }[];
  add?: { name: string; value: string }[];
  remove?: string[];
}

export interface PathModifier {
  type: string;
  replaceFullPath?: string;
  replacePrefixMatch?: string;
}

export interface BackendTLSPolicy extends KubeObject {
  spec: {
    targetRefs: { group: string; kind: string; name: string; sectionName?: string }[];
    validation: {
      hostname: string;
      caCertificateRefs?: { group: string; kind: string; name: string }[];
      wellKnownCACertificates?: string;
      subjectAltNames?: { type: string; hostname?: string }[];
    };
  };
  status?: { ancestors?: PolicyAncestorStatus[] };
}

export interface PolicyAncestorStatus {
  ancestorRef: ParentReference;
  controllerName: string;
  conditions?: Condition[];
}

export interface ReferenceGrant extends KubeObject {
  spec: {
    from: { group: string; kind: string; namespace: string }[];
    to: { group: string; kind: string; name?: string }[];
  };
}
