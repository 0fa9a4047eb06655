import { isIPv6 } from 'node:net';
import { apiVersion, deployments, serviceAccounts, services } from '../api/resource.ts';
import type { Container, Deployment, KubeObject, Service, Volume } from '../api/types.ts';
import { settingsMap } from './settings.ts';

/** What a pod takes from its node to run: the lab image has no Node.js of its own, and shared pages cost nothing. */
export interface HostRuntime {
  /** Path of `node` on the host. */
  readonly nodeBinary: string;
  /** Directory of the C and C++ libraries that `node` is linked to; seen in the pod under the same path. */
  readonly libDir: string;
  /** Directory of the loader, where it is another one. Default `/usr/lib64` on x86-64, none elsewhere. */
  readonly loaderDir?: string;
  /** Directory of `dns.js` on the host. */
  readonly distDir: string;
}

export interface DnsManifestOptions {
  readonly clusterIP: string;
  readonly domain: string;
  readonly image: string;
  readonly replicas: number;
  /** How many nodes the cluster has, over which the replicas are spread. Default 1. */
  readonly nodes?: number;
  /** Whether pods and Services have addresses of both families. Default false. */
  readonly dualStack?: boolean;
  /** Seconds. Default 30, as kubeadm's Corefile. */
  readonly ttl?: number;
  /** Left out, the image has `node` and `/opt/knit/dist/dns.js`. */
  readonly runtime?: HostRuntime;
}

export const dnsDeployment = { name: 'knit-dns', namespace: 'kube-system' } as const;

const { name, namespace } = dnsDeployment;
const labels = { 'k8s-app': 'kube-dns' };
const role = 'system:knit-dns';
const rbac = 'rbac.authorization.k8s.io';

const node = '/usr/bin/node';
const dist = '/opt/knit/dist';

/**
 * A young generation of 1 MB and one helper thread: answers leave little garbage behind, and idle memory is what counts.
 * So the server may collect what the first lists leave.
 */
export const nodeFlags = [
  '--max-semi-space-size=1',
  '--max-old-space-size=96',
  '--v8-pool-size=1',
  '--expose-gc',
  '--disable-warning=ExperimentalWarning',
];

/** All objects of cluster DNS, in the order in which to create them. */
export function dnsManifests(options: DnsManifestOptions): KubeObject[] {
  const subject = { kind: 'ServiceAccount', name, namespace };
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name: role };
  const rules = [
    // Pods are for autopath alone.
    { apiGroups: [''], resources: ['services', 'namespaces', 'pods'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
  ];
  const settings = {
    rules: [
      { apiGroups: [''], resources: ['configmaps'], resourceNames: [settingsMap.name], verbs: ['list', 'watch'] },
    ],
    roleRef: { ...roleRef, kind: 'Role' },
    metadata: { name: role, namespace: settingsMap.namespace },
  };
  const objects: (KubeObject & Record<string, unknown>)[] = [
    { apiVersion: 'v1', kind: serviceAccounts.kind, metadata: { name, namespace } },
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: role }, rules },
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata: { name: role }, roleRef, subjects: [subject] },
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: settings.metadata, rules: settings.rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: settings.metadata,
      roleRef: settings.roleRef,
      subjects: [subject],
    },
  ];
  return [...objects, service(options), deployment(options)];
}

function service({ clusterIP, dualStack }: DnsManifestOptions): Service {
  return {
    apiVersion: apiVersion(services),
    kind: services.kind,
    metadata: {
      name: 'kube-dns',
      namespace,
      labels: { ...labels, 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
      annotations: { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' },
    },
    spec: {
      selector: labels,
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilyPolicy: dualStack ? 'PreferDualStack' : 'SingleStack',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
        { name: 'metrics', port: 9153, protocol: 'TCP', targetPort: 9153 },
      ],
    },
  };
}

function deployment(options: DnsManifestOptions): Deployment {
  return {
    apiVersion: apiVersion(deployments),
    kind: deployments.kind,
    metadata: { name, namespace, labels },
    spec: {
      replicas: options.replicas,
      selector: { matchLabels: labels },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels },
        spec: {
          priorityClassName: 'system-cluster-critical',
          serviceAccountName: name,
          // The node's own resolv.conf has the upstreams; ours would lead back here.
          dnsPolicy: 'Default',
          nodeSelector: { 'kubernetes.io/os': 'linux' },
          tolerations: [
            { key: 'CriticalAddonsOnly', operator: 'Exists' },
            { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' },
          ],
          topologySpreadConstraints: [apart(options)],
          containers: [container(options)],
          volumes: volumes(options),
        },
      },
    },
  };
}

/**
 * Two on one node are of little use. A preference would not do: while a cluster boots, the first node that is there
 * would get them all.
 */
function apart({ replicas, nodes = 1 }: DnsManifestOptions) {
  return {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'DoNotSchedule',
    minDomains: Math.min(replicas, nodes),
    labelSelector: { matchLabels: labels },
  };
}

function container(options: DnsManifestOptions): Container {
  const { runtime, domain, clusterIP, ttl = 30, dualStack } = options;
  const flags = {
    domain,
    ttl,
    address: dualStack || isIPv6(clusterIP) ? '::' : '0.0.0.0',
    'own-addresses': clusterIP,
    'lame-duck-ms': 1000,
  };
  return {
    name: 'dns',
    image: options.image,
    imagePullPolicy: 'IfNotPresent',
    command: [runtime ? node : 'node', ...nodeFlags, `${dist}/dns.js`],
    args: Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
    // One worker thread for files is enough where none are read while serving.
    env: [{ name: 'UV_THREADPOOL_SIZE', value: '1' }],
    resources: { limits: { memory: '170Mi' }, requests: { cpu: '100m', memory: '70Mi' } },
    ports: [
      { name: 'dns', containerPort: 53, protocol: 'UDP' },
      { name: 'dns-tcp', containerPort: 53, protocol: 'TCP' },
      { name: 'metrics', containerPort: 9153, protocol: 'TCP' },
    ],
    livenessProbe: {
      httpGet: { path: '/health', port: 8080, scheme: 'HTTP' },
      initialDelaySeconds: 60,
      timeoutSeconds: 5,
      failureThreshold: 5,
    },
    readinessProbe: { httpGet: { path: '/ready', port: 8181, scheme: 'HTTP' }, periodSeconds: 1 },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
      readOnlyRootFilesystem: true,
    },
    volumeMounts: runtime && volumeMounts(runtime),
  };
}

function volumeMounts(runtime: HostRuntime): Container['volumeMounts'] {
  const loaderDir = loaderDirOf(runtime);
  return [
    ...(loaderDir ? [{ name: 'loader', mountPath: loaderDir, readOnly: true }] : []),
    { name: 'node', mountPath: node, readOnly: true },
    { name: 'lib', mountPath: runtime.libDir, readOnly: true },
    { name: 'dist', mountPath: dist, readOnly: true },
  ];
}

/** x86-64's loader is named `/lib64/…` in every program; other machines have theirs in `/lib`. */
function loaderDirOf({ loaderDir }: HostRuntime): string | undefined {
  return loaderDir ?? (process.arch === 'x64' ? '/usr/lib64' : undefined);
}

function volumes({ runtime }: DnsManifestOptions): Volume[] | undefined {
  if (!runtime) return undefined;
  const loaderDir = loaderDirOf(runtime);
  return [
    ...(loaderDir ? [{ name: 'loader', hostPath: { path: loaderDir, type: 'Directory' } }] : []),
    { name: 'node', hostPath: { path: runtime.nodeBinary, type: 'File' } },
    { name: 'lib', hostPath: { path: runtime.libDir, type: 'Directory' } },
    { name: 'dist', hostPath: { path: runtime.distDir, type: 'Directory' } },
  ];
}
