import { isIP } from 'node:net';
import type { FieldError } from '../../kind.ts';
import type { EndpointSlice } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { firstOf, validateEndpointIp } from '../core/endpoints.ts';
import { defineKind } from '../define.ts';
import { duplicate, invalid, oneOf, required, tooMany, unchanged } from '../errors.ts';
import { dnsLabel, dnsSubdomain, portNumber } from '../names.ts';

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];
type Port = NonNullable<EndpointSlice['ports']>[number];

const most = { endpoints: 1000, ports: 20000, addresses: 100 };
const families: Readonly<Record<string, number>> = { IPv4: 4, IPv6: 6 };

export const endpointSlice = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
  generation: true,
  setDefaults({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= '';
      port.protocol ||= 'TCP';
    }
  },
  validate(object, old): FieldError[] {
    return [
      ...(object.addressType
        ? oneOf('addressType', object.addressType, ['FQDN', 'IPv4', 'IPv6'])
        : [required('addressType')]),
      ...validatePorts(object.ports ?? []),
      ...validateEndpoints(object.endpoints ?? [], object.addressType),
      ...(old ? unchanged('addressType', object.addressType, old.addressType) : []),
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

function validatePorts(ports: readonly Port[]): FieldError[] {
  if (ports.length > most.ports) return [tooMany('ports', ports.length, most.ports)];
  const names = new Set<string>();
  return ports.flatMap((port, i) => {
    const name = port.name ?? '';
    const again = names.has(name);
    names.add(name);
    return [...validatePort(port, `ports[${i}]`), ...(again ? [duplicate('ports', name)] : [])];
  });
}

function validatePort(port: Port, field: string): FieldError[] {
  const wrongName = port.name ? dnsLabel(port.name) : undefined;
  const wrongPort = port.port === undefined ? undefined : portNumber(port.port);
  return [
    ...(wrongName ? [invalid(`${field}.name`, port.name, wrongName)] : []),
    ...(wrongPort ? [invalid(`${field}.port`, port.port, wrongPort)] : []),
    ...oneOf(`${field}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
  ];
}

function validateEndpoints(endpoints: readonly Endpoint[], type: string): FieldError[] {
  if (endpoints.length > most.endpoints) return [tooMany('endpoints', endpoints.length, most.endpoints)];
  return endpoints.flatMap((endpoint, i) => validateEndpoint(endpoint, type, `endpoints[${i}]`));
}

function validateEndpoint(endpoint: Endpoint, type: string, field: string): FieldError[] {
  const addresses = endpoint.addresses ?? [];
  const wrongHost = endpoint.hostname ? dnsLabel(endpoint.hostname) : undefined;
  return [
    ...(addresses.length === 0 ? [required(`${field}.addresses`, 'must contain at least 1 address')] : []),
    ...(addresses.length > most.addresses ? [tooMany(`${field}.addresses`, addresses.length, most.addresses)] : []),
    ...addresses.flatMap((address, i) => validateAddress(address, type, `${field}.addresses[${i}]`)),
    ...(wrongHost ? [invalid(`${field}.hostname`, endpoint.hostname, wrongHost)] : []),
  ];
}

function validateAddress(address: string, type: string, field: string): FieldError[] {
  if (type === 'FQDN') {
    const wrong = dnsSubdomain(address);
    return wrong ? [invalid(field, address, wrong)] : [];
  }
  const family = families[type];
  if (family === undefined) return [];
  if (isIP(address) === family) return validateEndpointIp(address, field);
  return [invalid(field, address, `must be an ${type} address`)];
}

function formatPorts(ports: readonly Port[]): string {
  return ports.length === 0 ? '<unset>' : firstOf(ports.map(({ port }) => (port === undefined ? '*' : String(port))));
}

function formatEndpoints(endpoints: readonly Endpoint[]): string {
  return endpoints.length === 0 ? '<unset>' : firstOf(endpoints.flatMap(({ addresses }) => addresses ?? []));
}
