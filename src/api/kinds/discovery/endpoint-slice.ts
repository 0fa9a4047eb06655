import { isIP } from 'node:net';
import type { FieldError } from '../../kind.ts';
import type { EndpointSlice } from '../../types.ts';
import { strictAddress, validateIp } from '../addresses.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { firstOf, validateAppProtocol, validateEndpointIp } from '../core/endpoints.ts';
import { defineKind } from '../define.ts';
import { duplicate, invalid, oneOf, required, sameValue, tooMany, unchanged } from '../errors.ts';
import { dnsLabel, dnsSubdomain, labelValue, type Rule } from '../names.ts';

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];
type Port = NonNullable<EndpointSlice['ports']>[number];

const most = { endpoints: 1000, ports: 20000, addresses: 100, hints: 8 };
const families: Readonly<Record<string, number>> = { IPv4: 4, IPv6: 6 };

export const endpointSlice = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
  generation: true,
  raisedBy: ['labels'],
  setDefaults({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  prepareForUpdate(object, old) {
    if (!sameValue(object.endpoints, old.endpoints)) dropTopology(object.endpoints ?? [], old.endpoints ?? []);
  },
  validate(object, old): FieldError[] {
    return [
      ...(object.addressType
        ? oneOf('addressType', object.addressType, ['FQDN', 'IPv4', 'IPv6'])
        : [required('addressType')]),
      ...validatePorts(object.ports ?? []),
      ...validateEndpoints(object.endpoints ?? [], object.addressType),
      ...(old ? unchanged('addressType', object.addressType ?? '', old.addressType) : []),
    ];
  },
  columns: [
    nameColumn,
    text('AddressType', ({ addressType }) => addressType ?? '', 'Family of its addresses.'),
    text('Ports', ({ ports }) => formatPorts(ports ?? []), 'Ports of the endpoints.'),
    text('Endpoints', ({ endpoints }) => formatEndpoints(endpoints ?? []), 'Addresses of the endpoints.'),
    ageColumn,
  ],
});

const hostname = 'kubernetes.io/hostname';

/** The field is from before `v1`: it stays with endpoints that stay, and leaves the node's name where that stood in it. */
function dropTopology(endpoints: Endpoint[], old: readonly Endpoint[]): void {
  const nodes = new Set(old.map(({ deprecatedTopology }) => deprecatedTopology?.[hostname]));
  for (const endpoint of endpoints) {
    const node = endpoint.deprecatedTopology?.[hostname];
    if (endpoint.nodeName === undefined && node !== undefined && nodes.has(node)) endpoint.nodeName = node;
    delete endpoint.deprecatedTopology;
  }
}

function validatePorts(ports: readonly Port[]): FieldError[] {
  if (ports.length > most.ports) return [tooMany('ports', ports.length, most.ports)];
  const names = new Set<string>();
  return ports.flatMap((port, i) => {
    const name = port.name ?? '';
    const again = names.has(name);
    names.add(name);
    return [...validatePort(port, `ports[${i}]`), ...(again ? [duplicate(`ports[${i}].name`, name)] : [])];
  });
}

function validatePort(port: Port, field: string): FieldError[] {
  const wrongName = port.name ? dnsLabel(port.name) : undefined;
  return [
    ...(wrongName ? [invalid(`${field}.name`, port.name, wrongName)] : []),
    ...oneOf(`${field}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
    ...validateAppProtocol(port.appProtocol, `${field}.appProtocol`),
  ];
}

function validateEndpoints(endpoints: readonly Endpoint[], type: string): FieldError[] {
  if (endpoints.length > most.endpoints) return [tooMany('endpoints', endpoints.length, most.endpoints)];
  return endpoints.flatMap((endpoint, i) => validateEndpoint(endpoint, type, `endpoints[${i}]`));
}

function validateEndpoint(endpoint: Endpoint, type: string, field: string): FieldError[] {
  const addresses = endpoint.addresses ?? [];
  const wrongHost = endpoint.hostname === undefined ? undefined : dnsLabel(endpoint.hostname);
  const wrongNode = endpoint.nodeName === undefined ? undefined : dnsSubdomain(endpoint.nodeName);
  return [
    ...(addresses.length === 0 ? [required(`${field}.addresses`, 'must contain at least 1 address')] : []),
    ...(addresses.length > most.addresses ? [tooMany(`${field}.addresses`, addresses.length, most.addresses)] : []),
    ...addresses.flatMap((address, i) => validateAddress(address, type, `${field}.addresses[${i}]`)),
    ...(wrongHost ? [invalid(`${field}.hostname`, endpoint.hostname, wrongHost)] : []),
    ...(wrongNode ? [invalid(`${field}.nodeName`, endpoint.nodeName, wrongNode)] : []),
    ...validateHints(endpoint.hints?.forZones, labelValue, `${field}.hints.forZones`),
    ...validateHints(endpoint.hints?.forNodes, dnsSubdomain, `${field}.hints.forNodes`),
  ];
}

function validateAddress(address: string, type: string, field: string): FieldError[] {
  if (type === 'FQDN') return validateDomainName(address, field);
  const family = families[type];
  if (family === undefined) return [];
  // IPv4 came when addresses could still be spelled in several ways.
  const spelled = family === 6 ? validateStrictly(address, field) : validateIp(address, field);
  if (spelled.length > 0) return spelled;
  const ofFamily = `must be an ${type} address`;
  return [
    ...(isIP(address) === family ? [] : [invalid(field.replace(/\[\d+\]$/, ''), address, ofFamily)]),
    ...validateEndpointIp(address, field),
  ];
}

function validateStrictly(address: string, field: string): FieldError[] {
  const wrong = strictAddress(address);
  return wrong ? [invalid(field, address, wrong)] : [];
}

/** A name with a dot in it; one at its end is the root's. */
function validateDomainName(name: string, field: string): FieldError[] {
  if (name === '') return [required(field)];
  const relative = name.replace(/\.$/, '');
  const wrong = dnsSubdomain(relative);
  if (wrong) return [invalid(field, relative, wrong)];
  if (relative.includes('.')) return [];
  return [invalid(field, relative, 'should be a domain with at least two segments separated by dots')];
}

/** Where an endpoint should be used from: each place once. */
function validateHints(hints: readonly { name: string }[] | undefined, rule: Rule, field: string): FieldError[] {
  const names = (hints ?? []).map(({ name }) => name ?? '');
  if (names.length > most.hints) return [tooMany(field, names.length, most.hints)];
  return names.flatMap((name, i) => {
    const wrong = rule(name);
    return [
      ...(names.indexOf(name) < i ? [duplicate(`${field}[${i}].name`, name)] : []),
      ...(wrong ? [invalid(`${field}[${i}].name`, name, wrong)] : []),
    ];
  });
}

function formatPorts(ports: readonly Port[]): string {
  return firstOf(ports.map(({ name, port }) => String(port ?? name ?? '*'))) || '<unset>';
}

function formatEndpoints(endpoints: readonly Endpoint[]): string {
  return firstOf(endpoints.flatMap(({ addresses }) => addresses ?? [])) || '<unset>';
}
