import type { FieldError } from '../../kind.ts';
import type { Service, ServicePort } from '../../types.ts';
import { duplicate, forbidden, invalid, oneOf, required, ruled } from '../errors.ts';
import { dnsLabel, portNumber, qualifiedName } from '../names.ts';
import { validatePortOrName } from '../podspec/probes.ts';

type Spec = NonNullable<Service['spec']>;

/** Ports of a Service: named where there are several, no number twice a protocol. Which node ports are free is not asked here. */
export function validateServicePorts(spec: Spec, field: string): FieldError[] {
  const ports = spec.ports ?? [];
  const mayHaveNone = spec.clusterIP === 'None' || spec.type === 'ExternalName';
  if (ports.length === 0) return mayHaveNone ? [] : [required(field)];
  return [
    ...ports.flatMap((port, i) => validatePort(port, `${field}[${i}]`, ports.length > 1)),
    ...ports.flatMap((port, i) => validateUnique(port, ports.slice(0, i), `${field}[${i}]`)),
    ...ports.flatMap((port, i) => validateNodePort(port, spec, `${field}[${i}].nodePort`)),
  ];
}

function validatePort(port: ServicePort, field: string, nameRequired: boolean): FieldError[] {
  const wrongName = port.name ? dnsLabel(port.name) : undefined;
  const wrongPort = portNumber(port.port ?? 0);
  return [
    ...(nameRequired && !port.name ? [required(`${field}.name`)] : []),
    ...(wrongName ? [invalid(`${field}.name`, port.name, wrongName)] : []),
    ...(wrongPort ? [invalid(`${field}.port`, port.port ?? 0, wrongPort)] : []),
    ...oneOf(`${field}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
    ...validatePortOrName(port.targetPort ?? port.port, `${field}.targetPort`),
    ...(port.appProtocol === undefined ? [] : ruled(`${field}.appProtocol`, port.appProtocol, qualifiedName)),
  ];
}

function validateUnique(port: ServicePort, before: readonly ServicePort[], field: string): FieldError[] {
  const sameName = port.name && before.some((other) => other.name === port.name);
  const samePort = before.some((other) => other.port === port.port && other.protocol === port.protocol);
  const sameNodePort =
    port.nodePort && before.some((other) => other.nodePort === port.nodePort && other.protocol === port.protocol);
  return [
    ...(sameName ? [duplicate(`${field}.name`, port.name)] : []),
    ...(samePort ? [duplicate(field, asInGo(port))] : []),
    ...(sameNodePort ? [duplicate(`${field}.nodePort`, port.nodePort)] : []),
  ];
}

/** A port by its number and protocol alone, as Go's JSON shows it. */
const asInGo = ({ protocol, port }: ServicePort) => ({
  Name: '',
  Protocol: protocol,
  AppProtocol: null,
  Port: port,
  TargetPort: 0,
  NodePort: 0,
});

function validateNodePort(port: ServicePort, { type }: Spec, field: string): FieldError[] {
  if (!port.nodePort) return [];
  if (type === 'ClusterIP') return [forbidden(field, "may not be used when `type` is 'ClusterIP'")];
  const wrong = portNumber(port.nodePort);
  return wrong ? [invalid(field, port.nodePort, wrong)] : [];
}

/** `80:30080/TCP,443/TCP` */
export function formatServicePorts(ports: readonly ServicePort[]): string {
  const parts = ports.map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`);
  return parts.join(',') || '<none>';
}
