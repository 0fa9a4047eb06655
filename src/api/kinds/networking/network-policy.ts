import type { FieldError } from '../../kind.ts';
import type { NetworkPolicy } from '../../types.ts';
import { containsCidr, isCidr, validateNetwork } from '../addresses.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { each, forbidden, invalid, oneOf, required } from '../errors.ts';
import { formatLabelSelector, validateLabelSelector } from '../label-selector.ts';
import { validatePortOrName } from '../podspec/probes.ts';

type Spec = NonNullable<NetworkPolicy['spec']>;
type Rule = NonNullable<Spec['egress']>[number];
type Port = NonNullable<Rule['ports']>[number];
type Peer = NonNullable<Rule['to']>[number];

export const networkPolicy = defineKind<NetworkPolicy>({
  group: 'networking.k8s.io',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  namespaced: true,
  shortNames: ['netpol'],
  generation: true,
  setDefaults({ spec }) {
    if (!spec) return;
    spec.podSelector ??= {};
    for (const port of [...(spec.ingress ?? []), ...(spec.egress ?? [])].flatMap(({ ports }) => ports ?? [])) {
      port.protocol ??= 'TCP';
    }
    if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
  },
  validate({ spec }): FieldError[] {
    return [
      ...validateLabelSelector(spec?.podSelector, 'spec.podSelector'),
      ...(spec?.ingress ?? []).flatMap(({ ports, from }, i) => [
        ...validatePorts(ports ?? [], `spec.ingress[${i}].ports`),
        ...validatePeers(from ?? [], `spec.ingress[${i}].from`),
      ]),
      ...(spec?.egress ?? []).flatMap(({ ports, to }, i) => [
        ...validatePorts(ports ?? [], `spec.egress[${i}].ports`),
        ...validatePeers(to ?? [], `spec.egress[${i}].to`),
      ]),
      ...validateTypes(spec?.policyTypes ?? []),
    ];
  },
  columns: [
    nameColumn,
    text('Pod-Selector', ({ spec }) => formatLabelSelector(spec?.podSelector), 'Pods that it is about.'),
    ageColumn,
  ],
});

function validateTypes(types: readonly string[]): FieldError[] {
  if (types.length > 2) return [invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')];
  return types.flatMap((type, i) => oneOf(`spec.policyTypes[${i}]`, type, ['Ingress', 'Egress']));
}

function validatePorts(ports: readonly Port[], field: string): FieldError[] {
  return ports.flatMap((port, i) => {
    const at = `${field}[${i}]`;
    return [
      ...oneOf(`${at}.protocol`, port.protocol, ['TCP', 'UDP', 'SCTP']),
      ...(port.port === undefined ? [] : validatePortOrName(port.port, `${at}.port`)),
      ...(port.endPort === undefined ? [] : validateEndPort(port.port, port.endPort, `${at}.endPort`)),
    ];
  });
}

function validateEndPort(port: unknown, endPort: number, field: string): FieldError[] {
  if (port === undefined) return [invalid(field, endPort, 'may not be specified when `port` is not specified')];
  if (typeof port !== 'number') return [invalid(field, endPort, 'may not be specified when `port` is non-numeric')];
  return [
    // Kubernetes, too, shows the port here, not the end.
    ...(endPort < port ? [invalid(field, port, 'must be greater than or equal to `port`')] : []),
    ...validatePortOrName(endPort, field),
  ];
}

function validatePeers(peers: readonly Peer[], field: string): FieldError[] {
  return peers.flatMap((peer, i) => validatePeer(peer, `${field}[${i}]`));
}

function validatePeer(peer: Peer, field: string): FieldError[] {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (!podSelector && !namespaceSelector && !ipBlock) return [required(field, 'must specify a peer')];
  if (ipBlock && (podSelector || namespaceSelector)) {
    return [forbidden(field, 'may not specify both ipBlock and another peer')];
  }
  return [
    ...validateLabelSelector(podSelector, `${field}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${field}.namespaceSelector`),
    ...validateBlock(ipBlock, `${field}.ipBlock`),
  ];
}

function validateBlock(block: Peer['ipBlock'], field: string): FieldError[] {
  if (!block) return [];
  if (!block.cidr) return [required(`${field}.cidr`)];
  const wrong = validateNetwork(block.cidr, `${field}.cidr`);
  if (!isCidr(block.cidr)) return wrong;
  const excepted = each(block.except, `${field}.except`, (range, at) => {
    const unclear = validateNetwork(range, at);
    if (!isCidr(range)) return unclear;
    const inside = containsCidr(block.cidr, range) && !containsCidr(range, block.cidr);
    return inside ? unclear : [...unclear, invalid(at, range, 'must be a strict subset of `cidr`')];
  });
  return [...wrong, ...excepted];
}
