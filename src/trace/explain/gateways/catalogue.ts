import type { Fault } from '../catalogue.ts';

/** Faults of Gateways, their listeners and their routes. */
export const gatewayFaults = {
  GATEWAY_CLASS_UNKNOWN: {
    title: 'Nobody serves the Gateway’s class',
    signs: 'ADDRESS stays empty, PROGRAMMED stays Unknown.',
    mend: 'Set gatewayClassName to a class that kubectl get gatewayclasses shows.',
  },
  GATEWAY_NOT_ACCEPTED: {
    title: 'The Gateway is not accepted',
    signs: 'Its condition Accepted is False; connections time out.',
    mend: 'Change what the condition names: the type of its addresses, its parameters, its listeners.',
  },
  GATEWAY_NO_ADDRESS: {
    title: 'The Gateway does not have the address that it should',
    signs: 'ADDRESS is empty, or is not the one that spec.addresses asks for.',
    mend: 'Ask for an address of the pool that is free, or for none; see the events of the Gateway’s Service.',
  },
  GATEWAY_NOT_PROGRAMMED: {
    title: 'The proxy does not serve the Gateway',
    signs: 'PROGRAMMED is False; connections are refused or time out.',
    mend: 'See what it follows from, or what the condition says: kubectl describe gateway.',
  },
  GATEWAY_PORT_UNKNOWN: {
    title: 'No listener of the Gateway has this port',
    signs: 'Connections are refused at once.',
    mend: 'Connect to a port that a listener has, or add a listener.',
  },
  GATEWAY_PROTOCOL_MISMATCH: {
    title: 'The Gateway speaks another protocol at this port',
    signs: 'TLS ends in its handshake, or plain HTTP gets an error.',
    mend: 'Ask by http:// or https:// as the listener speaks, or add one for the other.',
  },
  GATEWAY_HOST_UNKNOWN: {
    title: 'Neither a listener nor a route of the Gateway has this host',
    signs: '404 from the proxy; a TLS connection that is passed on ends.',
    mend: 'Add the host to the listener and to the route’s hostnames, or correct the name.',
  },
  GATEWAY_LISTENER_INVALID: {
    title: 'A listener cannot be served as it is written',
    signs:
      'Its conditions Accepted or Programmed are False; its requests are refused, or answered by another listener.',
    mend: 'Change what its condition names; listeners of one port have one protocol and different hosts.',
  },
  GATEWAY_CERTIFICATE_UNUSABLE: {
    title: 'A certificate that a listener refers to cannot be used',
    signs: 'TLS ends in its handshake, or connections are refused.',
    mend: 'Put a certificate and its key into tls.crt and tls.key of the Secret (authorities: ca.crt of a ConfigMap).',
  },
  GATEWAY_CERTIFICATE_NOT_GRANTED: {
    title: 'A listener refers to a certificate of another namespace that does not allow it',
    signs: 'TLS ends in its handshake, or connections are refused.',
    mend: 'Write a ReferenceGrant in the namespace of the certificate, or use one of the Gateway’s own.',
  },
  GATEWAY_CERTIFICATE_EXPIRED: {
    title: 'The listener’s certificate has expired',
    signs: 'Browsers warn.',
    mend: 'Renew it and replace the Secret’s tls.crt and tls.key.',
  },
  GATEWAY_CERTIFICATE_HOST: {
    title: 'The listener’s certificate is for other names',
    signs: 'Browsers warn of a wrong name.',
    mend: 'Use a certificate that names this host.',
  },
  GATEWAY_NO_ROUTE: {
    title: 'No route is attached to the listener',
    signs: '404 from the proxy.',
    mend: 'Write a route that has the Gateway among its parentRefs.',
  },
  ROUTE_PARENT_UNKNOWN: {
    title: 'The route names a Gateway that is not there',
    signs: 'The route has no status; 404 from every proxy.',
    mend: 'Correct the name and namespace in parentRefs; without a namespace it is the route’s own.',
  },
  ROUTE_LISTENER_UNKNOWN: {
    title: 'The route names a listener that its Gateway does not have',
    signs: 'Accepted is False: NoMatchingParent; 404 from the proxy.',
    mend: 'Correct sectionName or port in parentRefs, or leave them out.',
  },
  ROUTE_NOT_ALLOWED: {
    title: 'No listener admits the route',
    signs: 'Accepted is False: NotAllowedByListeners; 404 from the proxy.',
    mend: 'Admit the route’s namespace and kind in the listener’s allowedRoutes, or move the route.',
  },
  ROUTE_HOST_MISMATCH: {
    title: 'The route’s hosts are none of the listener’s',
    signs: 'Accepted is False: NoMatchingListenerHostname; 404 from the proxy.',
    mend: 'Make the route’s hostnames and the listener’s hostname agree.',
  },
  ROUTE_CONFLICT: {
    title: 'A route of another kind has the host already',
    signs: 'Accepted is False: HostnameConflict; requests go where the other route says.',
    mend: 'Give HTTPRoutes and GRPCRoutes different hosts; the older one wins.',
  },
  ROUTE_NOT_ACCEPTED: {
    title: 'The route is not accepted',
    signs: 'Accepted is False; nothing of the route is served.',
    mend: 'Take out what the condition names: a filter or a value that is not served.',
  },
  ROUTE_PATH_UNKNOWN: {
    title: 'No rule of this host matches the request',
    signs: '404 from the proxy.',
    mend: 'Add a match for the path; one of type PathPrefix takes all that is below it.',
  },
  ROUTE_NO_BACKEND: {
    title: 'The rule has no backend that gets requests',
    signs: '500 from the proxy.',
    mend: 'Give it a backendRef with a weight above 0.',
  },
  ROUTE_BACKEND_MISSING: {
    title: 'The route leads to a Service that is not there',
    signs: '500 from the proxy.',
    mend: 'Correct the backend’s name and namespace; without a namespace it is the route’s own.',
  },
  ROUTE_BACKEND_PORT: {
    title: 'The route leads to a port that the Service does not have',
    signs: '500 from the proxy.',
    mend: 'Correct the backend’s port: by its number in the Service, not in the pod.',
  },
  ROUTE_BACKEND_NOT_GRANTED: {
    title: 'The route leads to a Service of another namespace that does not allow it',
    signs: '500 from the proxy.',
    mend: 'Write a ReferenceGrant in the namespace of the Service, from the route’s kind and namespace.',
  },
  ROUTE_BACKEND_UNSUPPORTED: {
    title: 'The route leads to what is no backend',
    signs: '500 from the proxy.',
    mend: 'Lead to a Service that has endpoints; one of type ExternalName has none.',
  },
  ROUTE_BACKEND_TLS: {
    title: 'The BackendTLSPolicy of the Service cannot be held',
    signs: '500 from the proxy.',
    mend: 'Correct what the policy’s conditions name, or remove it.',
  },
} as const satisfies Record<string, Fault>;
