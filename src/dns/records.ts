import type { EndpointSlice, Service } from '../api/types.ts';
import { Type } from './message.ts';
import { addressData, knownNameKey, type NameKey, nameKey, reverseKey, type WireText } from './names.ts';

/** One record that an object asks for. All have the zone's TTL. */
export interface PlannedRecord {
  readonly name: NameKey;
  readonly type: number;
  readonly data: WireText;
}

/** An endpoint of a headless Service that is to be found. */
interface Target {
  readonly name: NameKey;
  readonly type: number;
  readonly data: WireText;
  readonly address: string;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
}

/**
 * The records of one Service (Kubernetes DNS specification 1.1, §2.3 to §2.5): a pure function of the Service and its
 * EndpointSlices. `domain` is the cluster's, as a key.
 */
export function planService(service: Service, slices: readonly EndpointSlice[], domain: NameKey): PlannedRecord[] {
  const { name = '', namespace = '' } = service.metadata ?? {};
  const owner = nameKey(`${name}.${namespace}.svc`)?.slice(0, -1).concat(domain);
  if (owner === undefined) return [];
  if (service.spec?.type === 'ExternalName') return planExternalName(owner, service.spec.externalName ?? '');
  const addresses = clusterIPs(service);
  if (addresses.length === 0) return [];
  return addresses[0] === 'None' ? planHeadless(owner, slices) : planClusterIP(owner, addresses, service);
}

function clusterIPs(service: Service): readonly string[] {
  const { clusterIPs: all, clusterIP } = service.spec ?? {};
  if (all && all.length > 0) return all;
  return clusterIP ? [clusterIP] : [];
}

function planExternalName(owner: NameKey, externalName: string): PlannedRecord[] {
  const target = nameKey(externalName);
  return target === undefined || target === '\0' ? [] : [{ name: owner, type: Type.CNAME, data: target }];
}

function planClusterIP(owner: NameKey, addresses: readonly string[], service: Service): PlannedRecord[] {
  const records: PlannedRecord[] = [];
  for (const address of addresses) {
    addAddress(records, owner, address);
    addReverse(records, address, owner);
  }
  for (const port of service.spec?.ports ?? []) {
    const data = srvData(100, port.port, owner);
    // As CoreDNS, the Service's own name also answers SRV, with every port; the specification asks for named ones only.
    records.push({ name: owner, type: Type.SRV, data });
    addSrv(records, owner, port.name, port.protocol, data);
  }
  return records;
}

function planHeadless(owner: NameKey, slices: readonly EndpointSlice[]): PlannedRecord[] {
  const records: PlannedRecord[] = [];
  const targets = readyTargets(owner, slices);
  const weights = srvWeights(targets);
  for (const target of targets) {
    records.push({ name: owner, type: target.type, data: target.data });
    records.push({ name: target.name, type: target.type, data: target.data });
    addReverse(records, target.address, target.name);
    for (const port of target.ports) {
      const data = srvData(weights.get(portKey(port)) ?? 1, port.port, target.name);
      records.push({ name: owner, type: Type.SRV, data });
      addSrv(records, owner, port.name, port.protocol, data);
    }
  }
  return unique(records);
}

function readyTargets(owner: NameKey, slices: readonly EndpointSlice[]): Target[] {
  const targets: Target[] = [];
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4' && slice.addressType !== 'IPv6') continue;
    const ports = (slice.ports ?? []).flatMap((port) =>
      port.port ? [{ name: port.name ?? '', protocol: port.protocol ?? 'TCP', port: port.port }] : [],
    );
    for (const endpoint of slice.endpoints ?? []) {
      // A missing condition means ready; publishNotReadyAddresses is in the condition already.
      if (endpoint.conditions?.ready === false) continue;
      for (const address of endpoint.addresses) {
        const data = addressData(address);
        const label = nameKey(endpoint.hostname || address.replace(/[.:]/g, '-'));
        if (data === undefined || label === undefined) continue;
        const type = data.length === 4 ? Type.A : Type.AAAA;
        targets.push({ name: label.slice(0, -1) + owner, type, data, address, ports });
      }
    }
  }
  return targets;
}

const portKey = (port: { name: string; protocol: string }) => `${port.name}/${port.protocol}`;

/** Endpoints share a port's weight of 100, as CoreDNS has it, and each gets at least 1: one of two families is one. */
function srvWeights(targets: readonly Target[]): Map<string, number> {
  const sharing = new Map<string, Set<NameKey>>();
  for (const { name, ports } of targets) {
    for (const port of ports) {
      const names = sharing.get(portKey(port));
      if (names) names.add(name);
      else sharing.set(portKey(port), new Set([name]));
    }
  }
  return new Map([...sharing].map(([key, { size }]) => [key, Math.max(1, Math.floor(100 / size))]));
}

function addAddress(records: PlannedRecord[], name: NameKey, address: string): void {
  const data = addressData(address);
  if (data !== undefined) records.push({ name, type: data.length === 4 ? Type.A : Type.AAAA, data });
}

function addReverse(records: PlannedRecord[], address: string, target: NameKey): void {
  const name = reverseKey(address);
  if (name !== undefined) records.push({ name, type: Type.PTR, data: target });
}

/** Unnamed ports have no SRV record of their own (§2.3.2). */
function addSrv(
  records: PlannedRecord[],
  owner: NameKey,
  port: string | undefined,
  protocol: string | undefined,
  data: WireText,
): void {
  if (!port) return;
  const prefix = nameKey(`_${port}._${protocol ?? 'TCP'}`);
  if (prefix !== undefined) records.push({ name: prefix.slice(0, -1) + owner, type: Type.SRV, data });
}

/** Priority 0, weight, port, target (RFC 2782; its target is never compressed). */
function srvData(weight: number, port: number, target: NameKey): WireText {
  // V8 keeps a concatenation as a tree of its parts, in five times the memory, until somebody writes it out.
  return Buffer.from(`\0\0${word(weight)}${word(port)}${target}`, 'latin1').toString('latin1');
}

/** Where an SRV record's data has its target. */
export const srvTargetAt = 6;

/** One address may stand in several slices while they are rewritten. */
function unique(records: readonly PlannedRecord[]): PlannedRecord[] {
  const seen = new Set<string>();
  return records.filter((record) => {
    const key = `${record.type} ${record.name}${record.data}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** The data of the zone's SOA record, with CoreDNS' names and times. `serial` is a time in seconds. */
export function soaData(domain: NameKey, serial: number, ttl: number): WireText {
  const names = knownNameKey('ns.dns').slice(0, -1) + domain + knownNameKey('hostmaster').slice(0, -1) + domain;
  return names + [serial, 7200, 1800, 86_400, ttl].map(long).join('');
}

/** A TXT record's one character string. */
export function txtData(text: string): WireText {
  return String.fromCharCode(text.length) + text;
}

function word(value: number): WireText {
  return String.fromCharCode((value >> 8) & 0xff, value & 0xff);
}

function long(value: number): WireText {
  return word(value >>> 16) + word(value & 0xffff);
}
