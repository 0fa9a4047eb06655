import { isIP } from 'node:net';
import type { FieldError } from '../../kind.ts';
import type { Endpoints } from '../../types.ts';
import { isLegacyAddress, validateIp } from '../addresses.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { each, invalid, named, oneOf, required, ruled } from '../errors.ts';
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from '../names.ts';

type Subset = NonNullable<Endpoints['subsets']>[number];
type Address = NonNullable<Subset['addresses']>[number];
type Port = NonNullable<Subset['ports']>[number];

/** How many addresses a cell shows. */
const shown = 3;

export const endpoints = defineKind<Endpoints>({
  group: '',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  listKind: 'EndpointsList',
  namespaced: true,
  createdByPut: true,
  shortNames: ['ep'],
  setDefaults({ subsets = [] }) {
    for (const port of subsets.flatMap((subset) => subset.ports ?? [])) port.protocol ||= 'TCP';
  },
  validate({ subsets = [] }): FieldError[] {
    return subsets.flatMap((subset, i) => validateSubset(subset, `subsets[${i}]`));
  },
  columns: [nameColumn, text('Endpoints', addresses, 'Addresses and ports behind the Service.'), ageColumn],
});

function validateSubset(subset: Subset, field: string): FieldError[] {
  const { addresses: ready = [], notReadyAddresses = [], ports = [] } = subset;
  const empty = ready.length === 0 && notReadyAddresses.length === 0;
  return [
    ...(empty ? [required(field, 'must specify `addresses` or `notReadyAddresses`')] : []),
    ...each(ready, `${field}.addresses`, validateAddress),
    ...each(notReadyAddresses, `${field}.notReadyAddresses`, validateAddress),
    ...ports.flatMap((port, i) => validatePort(port, `${field}.ports[${i}]`, ports.length > 1)),
  ];
}

function validateAddress({ ip = '', hostname, nodeName }: Address, field: string): FieldError[] {
  const wrongNode = nodeName === undefined ? undefined : dnsSubdomain(nodeName);
  return [
    ...validateEndpointIp(ip, `${field}.ip`),
    // Kubernetes looks twice at what cannot be read, and says so twice.
    ...(isLegacyAddress(ip) ? [] : [invalid(`${field}.ip`, ip, 'must be a valid IP address')]),
    ...(hostname ? named(`${field}.hostname`, hostname, dnsLabel) : []),
    ...(wrongNode ? [invalid(`${field}.nodeName`, nodeName, wrongNode)] : []),
  ];
}

/** Which protocol a port speaks, beyond the transport: a name, if anything. */
export function validateAppProtocol(protocol: string | undefined, field: string): FieldError[] {
  return protocol === undefined ? [] : ruled(field, protocol, qualifiedName);
}

function validatePort(port: Port, field: string, nameRequired: boolean): FieldError[] {
  const wrongName = port.name ? dnsLabel(port.name) : undefined;
  const wrongPort = portNumber(port.port ?? 0);
  return [
    ...(nameRequired && !port.name ? [required(`${field}.name`)] : []),
    ...(wrongName ? [invalid(`${field}.name`, port.name, wrongName)] : []),
    ...(wrongPort ? [invalid(`${field}.port`, port.port ?? 0, wrongPort)] : []),
    ...oneOf(`${field}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
    ...validateAppProtocol(port.appProtocol, `${field}.appProtocol`),
  ];
}

const reserved: readonly [RegExp, string][] = [
  [/^(?:0\.0\.0\.0|::)$/, 'may not be unspecified (0.0.0.0 or ::)'],
  [/^(?:127\.|::1$)/, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  [/^(?:169\.254\.|fe[89ab][0-9a-f]:)/i, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
  [/^(?:224\.0\.0\.|ff02:)/i, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
];

/** An address that traffic may be sent to on somebody's behalf: none of the sender's own. */
export function validateEndpointIp(address: string, field: string): FieldError[] {
  const wrong = validateIp(address, field);
  if (wrong.length > 0) return wrong;
  const [, detail] = reserved.find(([pattern]) => pattern.test(address)) ?? [];
  return detail === undefined ? [] : [invalid(field, address, detail)];
}

function addresses({ subsets = [] }: Endpoints): string {
  const all = subsets.flatMap(({ addresses: ready = [], ports = [] }) => {
    if (ports.length === 0) return ready.map(({ ip }) => ip);
    return ports.flatMap(({ port }) => ready.map(({ ip }) => (isIP(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`)));
  });
  return subsets.length === 0 ? '<none>' : firstOf(all);
}

/** `a,b,c + 2 more...` */
export function firstOf(parts: readonly string[]): string {
  const more = parts.length - shown;
  return `${parts.slice(0, shown).join(',')}${more > 0 ? ` + ${more} more...` : ''}`;
}
