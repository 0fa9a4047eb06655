import { gatewayFaults } from './gateways/catalogue.ts';

/** What is known of a fault, whatever object it is found in. docs/faults.md is written from this. */
export interface Fault {
  readonly title: string;
  /** What a person notices. */
  readonly signs: string;
  readonly mend: string;
}

/** Every fault that `knit explain` can name, by its code. */
export const catalogue = {
  // Services
  SVC_NOT_FOUND: {
    title: 'There is no such Service',
    signs: 'The name is not found (NXDOMAIN).',
    mend: 'Use the name and namespace of a Service that is there, or create it.',
  },
  SVC_PORT_UNKNOWN: {
    title: 'The Service has no such port',
    signs: 'Connections are refused at once.',
    mend: 'Connect to a port that the Service lists, or add this one to spec.ports.',
  },
  SVC_PROTOCOL_MISMATCH: {
    title: 'The port speaks another protocol',
    signs: 'TCP is refused at a UDP port, or UDP gets no answer from a TCP port.',
    mend: 'Use the protocol of the port, or add the port with the other protocol too.',
  },
  SVC_NO_ENDPOINTS: {
    title: 'The Service has nobody to send to',
    signs: 'Connections are refused at once.',
    mend: 'See what it follows from.',
  },
  SVC_SELECTOR_NO_MATCH: {
    title: 'The selector matches no pod',
    signs: 'The Service has no endpoints although pods run.',
    mend: 'Make the selector and the labels of the pods agree.',
  },
  SVC_NO_SELECTOR: {
    title: 'A Service without a selector has no EndpointSlice',
    signs: 'The Service has no endpoints; nobody writes them.',
    mend: 'Give the Service a selector, or write an EndpointSlice with its kubernetes.io/service-name label.',
  },
  SVC_TARGET_PORT_UNNAMED: {
    title: 'No pod has a port of the name that targetPort says',
    signs: 'Pods are ready and the Service has no endpoints.',
    mend: 'Name a port of the containers so, or use its number as targetPort.',
  },
  SVC_TARGET_PORT_CLOSED: {
    title: 'Nothing listens on the target port',
    signs: 'Connections are refused by the pod.',
    mend: 'Set targetPort to the port that the program listens on.',
  },
  SVC_LISTENS_ON_LOOPBACK: {
    title: 'The program listens on the loopback only',
    signs: 'It answers inside its pod and refuses everybody else.',
    mend: 'Let the program listen on 0.0.0.0 (or ::).',
  },
  SVC_EXTERNAL_NAME_BROKEN: {
    title: 'An ExternalName leads to a name of the cluster that is not there',
    signs: 'The name is an alias of one that is not found.',
    mend: 'Set spec.externalName to a name that is there.',
  },
  SVC_HEADLESS_PORT: {
    title: 'A headless Service does not translate ports',
    signs: 'The name leads to pods, which refuse the port.',
    mend: 'Connect to targetPort, or give the Service a virtual address.',
  },
  SVC_INTERNAL_LOCAL_EMPTY: {
    title: 'internalTrafficPolicy is Local and this node has no endpoint',
    signs: 'It works from some nodes; from others connections time out.',
    mend: 'Run a pod of the Service on every node that asks, or set internalTrafficPolicy: Cluster.',
  },
  SVC_NOT_EXPOSED: {
    title: 'The Service has no address outside the cluster',
    signs: 'Clients outside have nothing to connect to, or time out at the virtual address.',
    mend: 'Make it of type LoadBalancer or NodePort, or put an Ingress before it.',
  },
  SVC_ENDPOINT_NOT_A_POD: {
    title: 'An endpoint is no address of a pod that runs',
    signs: 'A part of the connections, or all, time out.',
    mend: 'Correct the EndpointSlice, or remove it and let the controller write one.',
  },
  SVC_AFFINITY_PINNED: {
    title: 'Session affinity keeps the client at an endpoint that does not answer it',
    signs: 'One client never gets through, while others do.',
    mend: 'Mend that endpoint or make it not ready; or set sessionAffinity: None until it is.',
  },
  LB_PENDING: {
    title: 'The load balancer has no address yet',
    signs: 'EXTERNAL-IP is <pending>.',
    mend: 'See the events of the Service: the pool may be empty, or another class be asked for.',
  },
  LB_SOURCE_RANGE: {
    title: 'The client is not in loadBalancerSourceRanges',
    signs: 'Connections time out for some clients.',
    mend: 'Add the client’s network to spec.loadBalancerSourceRanges.',
  },
  LB_NO_NODE: {
    title: 'No node may serve the load balancer',
    signs: 'Connections time out.',
    mend: 'See what it follows from; nodes with the label exclude-from-external-load-balancers serve none.',
  },
  NODE_PORT_UNKNOWN: {
    title: 'No Service has this node port',
    signs: 'Connections are refused by the node.',
    mend: 'Use a port that kubectl get services shows after the colon.',
  },
  EXTERNAL_LOCAL_EMPTY: {
    title: 'externalTrafficPolicy is Local and the node has no endpoint',
    signs: 'Connections to this node’s port time out; to others they work.',
    mend: 'Ask a node that has a pod of the Service, or set externalTrafficPolicy: Cluster.',
  },
  // Pods
  POD_NOT_FOUND: {
    title: 'There is no such pod',
    signs: 'Nothing answers for it.',
    mend: 'See kubectl get pods; pods of controllers get new names.',
  },
  POD_UNSCHEDULABLE: {
    title: 'No node takes the pod',
    signs: 'The pod stays Pending.',
    mend: 'Ask for less, remove what restricts it, or add a node.',
  },
  POD_HOST_PORT_TAKEN: {
    title: 'The host port is taken on every node',
    signs: 'The pod stays Pending: "didn’t have free ports".',
    mend: 'Use another hostPort, a Service of type NodePort, or fewer replicas.',
  },
  POD_IMAGE_PULL: {
    title: 'The image cannot be pulled',
    signs: 'ErrImagePull, ImagePullBackOff.',
    mend: 'Correct the image’s name, its registry’s credentials, or load it: knit image load.',
  },
  POD_CONFIG_MISSING: {
    title: 'A container names a ConfigMap, Secret or key that is not there',
    signs: 'CreateContainerConfigError, or FailedMount.',
    mend: 'Create it, or mark the reference optional.',
  },
  POD_CRASH_LOOP: {
    title: 'The program ends again and again',
    signs: 'CrashLoopBackOff.',
    mend: 'Read its last words: kubectl logs --previous.',
  },
  POD_OOM_KILLED: {
    title: 'The program needs more memory than its limit',
    signs: 'OOMKilled; restarts.',
    mend: 'Raise resources.limits.memory, or let it need less.',
  },
  POD_INIT_STUCK: {
    title: 'An init container does not come to its end',
    signs: 'Init:0/1, Init:CrashLoopBackOff.',
    mend: 'Read its log: kubectl logs -c.',
  },
  POD_NOT_READY: {
    title: 'The readiness probe fails',
    signs: 'The pod runs, READY is 0/1, and no Service leads to it.',
    mend: 'Mend the program or the probe.',
  },
  POD_READINESS_GATE: {
    title: 'A readiness gate is not open',
    signs: 'Containers are ready, the pod is not.',
    mend: 'Whoever is to set the condition must set it; or take the gate out of the template.',
  },
  POD_TERMINATING: {
    title: 'The pod is being deleted',
    signs: 'Terminating; it gets no new connections.',
    mend: 'Wait for the next one; if it hangs, see its finalizers and grace period.',
  },
  POD_ENDED: {
    title: 'The pod has ended',
    signs: 'Completed or Error; nothing listens any more.',
    mend: 'Run it by a controller that starts it again.',
  },
  POD_STARTING: {
    title: 'The pod is being started',
    signs: 'ContainerCreating.',
    mend: 'Wait; if it stays so, see its events.',
  },
  // NetworkPolicies
  NET_POLICY_EGRESS_DENIED: {
    title: 'A NetworkPolicy forbids the sender to send there',
    signs: 'Connections time out.',
    mend: 'Add an egress rule that admits the destination, or correct the labels that it selects by.',
  },
  NET_POLICY_INGRESS_DENIED: {
    title: 'A NetworkPolicy forbids the receiver to be reached from there',
    signs: 'Connections time out; through an Ingress or a Gateway, requests wait and get 503.',
    mend: 'Add an ingress rule that admits the sender, or correct the labels that it selects by.',
  },
  NET_POLICY_DNS_DENIED: {
    title: 'A NetworkPolicy keeps the sender from DNS',
    signs: 'Names do not resolve; addresses work.',
    mend: 'Admit egress to port 53, UDP and TCP, of the pods with k8s-app=kube-dns.',
  },
  // DNS
  DNS_NAME_UNKNOWN: {
    title: 'The cluster has no such name',
    signs: 'NXDOMAIN.',
    mend: 'Write NAME.NAMESPACE or NAME.NAMESPACE.svc.cluster.local.',
  },
  DNS_SERVICE_MISSING: {
    title: 'The DNS Service is not there',
    signs: 'No name resolves in any pod.',
    mend: 'Restore the Service kube-system/kube-dns with the address that pods know.',
  },
  DNS_DOWN: {
    title: 'No DNS pod is ready',
    signs: 'No name resolves in any pod; questions are refused or time out.',
    mend: 'See what it follows from: kubectl -n kube-system get pods -l k8s-app=kube-dns.',
  },
  DNS_POLICY_NOT_CLUSTER: {
    title: 'The pod does not ask the cluster’s DNS',
    signs: 'Names of Services do not resolve in this pod, others do.',
    mend: 'Set dnsPolicy: ClusterFirst (for hostNetwork: ClusterFirstWithHostNet).',
  },
  DNS_NDOTS_LOW: {
    title: 'The pod’s ndots is too low for short names',
    signs: 'NAME.NAMESPACE does not resolve, the whole name does.',
    mend: 'Take ndots out of dnsConfig (5 is Kubernetes’), or write the whole name with its dot.',
  },
  // Nodes
  NODE_NOT_READY: {
    title: 'The node is not ready',
    signs: 'Its pods are taken out of Services; connections to them may time out.',
    mend: 'Start the node or its agent: knit node start, kubectl describe node.',
  },
  NODE_MTU_TOO_LARGE: {
    title: 'Packets of pods are too large for the network between the nodes',
    signs: 'Connections are made and small answers come; what is large hangs.',
    mend: 'Give pods an MTU that leaves room for the tunnel’s bytes, or the nodes’ links a larger one.',
  },
  NODE_NO_POD_CIDR: {
    title: 'The node has no pod CIDR',
    signs: 'Its pods get no addresses.',
    mend: 'Use a larger pod network, or set spec.podCIDR.',
  },
  NODE_ROUTE_MISSING: {
    title: 'The network between the nodes has no route to the node’s pods',
    signs: 'Pods of other nodes time out; those of the same node work.',
    mend: 'Let the route controller restore it: it compares when a node changes and at its start.',
  },
  NODE_FORWARDING_OFF: {
    title: 'The node does not forward packets',
    signs: 'Nothing passes between the node’s pods and anybody else.',
    mend: 'sysctl -w net.ipv4.ip_forward=1 on the node; restart its agent.',
  },
  // Ingress
  INGRESS_HOST_UNKNOWN: {
    title: 'No Ingress has a rule for this host',
    signs: '404 from the proxy, or the default backend answers.',
    mend: 'Add a rule with this host, or correct the name.',
  },
  INGRESS_PATH_UNKNOWN: {
    title: 'No rule of this host matches the path',
    signs: '404 from the proxy.',
    mend: 'Add the path; pathType Prefix takes all that is below it.',
  },
  INGRESS_CLASS_UNKNOWN: {
    title: 'Nobody serves the Ingress’ class',
    signs: 'ADDRESS stays empty; 404 from every proxy.',
    mend: 'Set ingressClassName to a class that kubectl get ingressclasses shows.',
  },
  INGRESS_BACKEND_MISSING: {
    title: 'The Ingress leads to a Service that is not there',
    signs: '503 from the proxy.',
    mend: 'Correct the backend’s Service name; it must be in the namespace of the Ingress.',
  },
  INGRESS_BACKEND_PORT: {
    title: 'The Ingress leads to a port that the Service does not have',
    signs: '503 from the proxy.',
    mend: 'Correct the backend’s port: by its name or number in the Service, not in the pod.',
  },
  INGRESS_SECRET_MISSING: {
    title: 'The Secret of the host’s certificate is not there',
    signs: 'Browsers warn: the proxy shows its own certificate.',
    mend: 'Create the Secret in the namespace of the Ingress: kubectl create secret tls.',
  },
  INGRESS_CERTIFICATE_BROKEN: {
    title: 'The host’s certificate cannot be used',
    signs: 'Browsers warn: the proxy shows its own certificate.',
    mend: 'Put a certificate and its key into tls.crt and tls.key.',
  },
  INGRESS_CERTIFICATE_EXPIRED: {
    title: 'The host’s certificate has expired',
    signs: 'Browsers warn.',
    mend: 'Renew it and replace the Secret’s tls.crt and tls.key.',
  },
  INGRESS_CERTIFICATE_HOST: {
    title: 'The certificate is for other names',
    signs: 'Browsers warn of a wrong name.',
    mend: 'Use a certificate that names this host.',
  },
  INGRESS_CONFLICT: {
    title: 'An older Ingress has this host and path',
    signs: 'Requests go to another Service than this Ingress says.',
    mend: 'Change the host or path of one of the two; the older one wins.',
  },
  ...gatewayFaults,
  // The kernel of a node
  KERNEL_RULES_MISSING: {
    title: 'The node’s kernel lacks the rules of the Service',
    signs: 'The virtual address times out or is unreachable from this node.',
    mend: 'The node’s agent restores them within seconds where it runs: knit status.',
  },
  KERNEL_FOREIGN_DROP: {
    title: 'Somebody else’s rules drop packets on the node',
    signs: 'Connections time out that no policy forbids.',
    mend: 'Remove the rule that is shown, or let it pass the cluster’s networks.',
  },
  KERNEL_CONNTRACK_STALE: {
    title: 'Conntrack leads a UDP socket to a pod that has gone',
    signs: 'A program that keeps its socket gets no answer, a new one does.',
    mend: 'Close the socket, or delete the flow on the node: conntrack -D.',
  },
  KERNEL_MASQUERADE_MISSING: {
    title: 'The node does not hide its pods behind its own address',
    signs: 'Pods reach each other and nobody outside.',
    mend: 'The node’s agent restores it within seconds where it runs: knit status.',
  },
  KERNEL_POD_LINK_DOWN: {
    title: 'The pod’s link is down',
    signs: 'Nothing reaches the pod.',
    mend: 'Delete the pod: its controller makes a new one.',
  },
  AGENT_DOWN: {
    title: 'The node’s agent does not run',
    signs: 'New pods stay Pending, Services do not change on this node.',
    mend: 'See its log: knit export logs; knit node stop and start it.',
  },
} as const satisfies Record<string, Fault>;

export type FaultCode = keyof typeof catalogue;
