import { Type } from './message.ts';
import { addressData, isWithin, knownNameKey, labelsOf, type NameKey, parentKey, type WireText } from './names.ts';
import { type PlannedRecord, soaData, txtData } from './records.ts';

/** Records of one name and type. */
export interface RecordSet {
  readonly kind: 'records';
  readonly type: number;
  readonly data: WireText[];
}

/** What the zone says to a question. */
export type Found =
  | RecordSet
  /** The name is another's (ExternalName). */
  | { readonly kind: 'alias'; readonly target: NameKey }
  /** The name is there, the type is not. */
  | { readonly kind: 'nodata' }
  | { readonly kind: 'nxdomain' }
  /** Not of this zone. */
  | { readonly kind: 'elsewhere' };

const noSets: readonly RecordSet[] = [];
const nodata: Found = { kind: 'nodata' };
const nxdomain: Found = { kind: 'nxdomain' };
const elsewhere: Found = { kind: 'elsewhere' };

interface Entry {
  /** Replaced, not grown: an array that grows takes room for 16 more, and there are as many as names. */
  sets: readonly RecordSet[];
  /** Names right below, and namespaces and fixed names that hold it: it is there while this is not 0. */
  holds: number;
}

export interface ZoneOptions {
  /** Cluster domain: `cluster.local`. */
  readonly domain: string;
  /** Seconds that answers may be kept. Default 5, CoreDNS' own; kubeadm's Corefile says 30. */
  readonly ttl?: number;
  /** The DNS Service, `namespace/name`: its address is that of the zone's name server. Default `kube-system/kube-dns`. */
  readonly nameService?: string;
}

/** Version of the schema that `dns-version` tells. */
const schemaVersion = '1.1.0';

/**
 * The cluster's names, kept as an index from a name to its records. A change of one Service replaces that Service's
 * records and touches nothing else.
 */
export class Zone {
  readonly domain: NameKey;
  readonly ttl: number;
  readonly #entries = new Map<NameKey, Entry>();
  readonly #owned = new Map<string, readonly PlannedRecord[]>();
  readonly #namespaces = new Set<string>();
  readonly #podSuffix: NameKey;
  readonly #nameService: string;
  readonly #nameServer: NameKey;
  #soa: WireText;

  constructor(options: ZoneOptions) {
    this.domain = knownNameKey(options.domain);
    this.ttl = options.ttl ?? 5;
    this.#nameService = options.nameService ?? 'kube-system/kube-dns';
    this.#podSuffix = this.#below('pod');
    this.#nameServer = this.#below('ns.dns');
    this.#soa = soaData(this.domain, nowSeconds(), this.ttl);
    this.#hold(this.domain);
    this.#hold(this.#below('svc'));
    this.#hold(this.#podSuffix);
    this.#add({ name: this.#below('dns-version'), type: Type.TXT, data: txtData(schemaVersion) });
    this.#add({ name: this.domain, type: Type.NS, data: this.#nameServer });
  }

  /** The data of the zone's SOA record. Its serial is the time of the last change. */
  get soa(): WireText {
    return this.#soa;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Sets all records of a Service (`namespace/name`); none takes it out. */
  setService(key: string, records: readonly PlannedRecord[]): void {
    const planned = key === this.#nameService ? [...records, ...this.#nameServerRecords(records)] : records;
    const old = this.#owned.get(key);
    // New ones first, so that names which stay are never away.
    for (const record of planned) this.#add(record);
    for (const record of old ?? []) this.#remove(record);
    if (planned.length > 0) this.#owned.set(key, planned.slice());
    else this.#owned.delete(key);
    this.#soa = soaData(this.domain, nowSeconds(), this.ttl);
  }

  setNamespace(name: string, there: boolean): void {
    if (there === this.#namespaces.has(name)) return;
    const names = [this.#below(`${name}.svc`), this.#below(`${name}.pod`)];
    if (there) this.#namespaces.add(name);
    else this.#namespaces.delete(name);
    for (const key of names) there ? this.#hold(key) : this.#release(key);
  }

  lookup(name: NameKey, type: number): Found {
    const entry = this.#entries.get(name);
    if (entry) {
      for (const set of entry.sets) {
        if (set.type === type) return set;
        if (set.type === Type.CNAME && type !== Type.ANY) return { kind: 'alias', target: set.data[0] as NameKey };
      }
      if (type === Type.SOA && name === this.domain) return { kind: 'records', type, data: [this.#soa] };
      // One set is enough of an answer to ANY (RFC 8482 §4.1).
      if (type === Type.ANY && entry.sets[0]) return entry.sets[0];
      // Of reverse names only our own addresses are ours.
      return isWithin(name, this.domain) ? nodata : elsewhere;
    }
    if (!isWithin(name, this.domain)) return elsewhere;
    return name.endsWith(this.#podSuffix) ? this.#pod(name, type) : nxdomain;
  }

  /** Whether there is a record of any type. */
  hasRecords(name: NameKey): boolean {
    return (this.#entries.get(name)?.sets.length ?? 0) > 0;
  }

  /** `10-244-1-7.NAMESPACE.pod`: any address, in a namespace that is there (§2.6; CoreDNS' `pods insecure`). */
  #pod(name: NameKey, type: number): Found {
    const labels = labelsOf(name.slice(0, name.length - this.#podSuffix.length).concat('\0'));
    const [dashed = '', namespace = ''] = labels;
    if (labels.length !== 2 || !this.#namespaces.has(namespace)) return nxdomain;
    const data = addressData(dashed.replaceAll('-', '.')) ?? addressData(dashed.replaceAll('-', ':'));
    if (data === undefined) return nxdomain;
    const own = data.length === 4 ? Type.A : Type.AAAA;
    return type === own || type === Type.ANY ? { kind: 'records', type: own, data: [data] } : nodata;
  }

  #nameServerRecords(records: readonly PlannedRecord[]): PlannedRecord[] {
    return records
      .filter(({ type }) => type === Type.A || type === Type.AAAA)
      .map(({ type, data }) => ({ name: this.#nameServer, type, data }));
  }

  #below(name: string): NameKey {
    return knownNameKey(name).slice(0, -1) + this.domain;
  }

  #add({ name, type, data }: PlannedRecord): void {
    this.#hold(name);
    const entry = this.#entries.get(name) as Entry;
    const set = entry.sets.find((each) => each.type === type);
    if (set) set.data.push(data);
    else entry.sets = entry.sets.concat({ kind: 'records', type, data: [data] });
  }

  #remove({ name, type, data }: PlannedRecord): void {
    const entry = this.#entries.get(name);
    const set = entry?.sets.find((each) => each.type === type);
    if (!entry || !set) return;
    // The old one stands before the new one where both are alike.
    set.data.splice(set.data.indexOf(data), 1);
    if (set.data.length === 0) entry.sets = entry.sets.filter((each) => each !== set);
    this.#release(name);
  }

  /** A name is there while something holds it, and holds its parent: so names between (`svc`) are there too. */
  #hold(name: NameKey): void {
    const entry = this.#entries.get(name);
    if (entry) {
      entry.holds++;
      return;
    }
    this.#entries.set(name, { sets: noSets, holds: 1 });
    const parent = this.#heldParent(name);
    if (parent !== undefined) this.#hold(parent);
  }

  #release(name: NameKey): void {
    const entry = this.#entries.get(name);
    if (!entry || --entry.holds > 0) return;
    this.#entries.delete(name);
    const parent = this.#heldParent(name);
    if (parent !== undefined) this.#release(parent);
  }

  #heldParent(name: NameKey): NameKey | undefined {
    return name !== this.domain && isWithin(name, this.domain) ? parentKey(name) : undefined;
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
