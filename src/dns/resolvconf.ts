import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type NameKey, nameKey, rootKey } from './names.ts';

export interface Upstream {
  readonly address: string;
  readonly port: number;
}

/** What is read of a resolv.conf. */
export interface ResolvConf {
  /** Name servers in order and without repeats. */
  readonly upstreams: readonly Upstream[];
  readonly searches: readonly NameKey[];
}

export function parseResolvConf(text: string): ResolvConf {
  const addresses = new Set<string>();
  let searches: NameKey[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    const [address = ''] = values;
    if (keyword === 'nameserver' && isIP(address.replace(/%.*$/, ''))) addresses.add(address);
    // The last one holds (resolv.conf(5)).
    if (keyword === 'search' || keyword === 'domain')
      searches = values.flatMap((value) => nameKey(value) ?? []).filter((name) => name !== rootKey);
  }
  return { upstreams: [...addresses].map((address) => ({ address, port: 53 })), searches };
}

/** An upstream as a flag has it: `10.0.0.2`, `10.0.0.2:5353`, `[fd00::1]:53`, `fd00::1`. */
export function parseUpstream(text: string): Upstream | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  const number = Number(port ?? 53);
  return isIP(address) && number > 0 && number < 65_536 ? { address, port: number } : undefined;
}

export function upstreamText({ address, port }: Upstream): string {
  return isIP(address.replace(/%.*$/, '')) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The file is looked at again so long after the last time, when somebody asks. */
const lookMs = 1000;

/**
 * A resolv.conf that is followed as it changes, behind links and renames too, and only while somebody asks. A file that
 * cannot be read any more leaves what was read last.
 */
export class ResolvConfFile {
  readonly #path: string;
  readonly #keep: (upstream: Upstream) => boolean;
  readonly #log: Log;
  readonly #now: () => number;
  #read: ResolvConf;
  #version: string;
  #lookedAt: number;

  /** Reads the file; throws where it can't. `keep` says which upstreams may be asked. */
  constructor(path: string, keep: (upstream: Upstream) => boolean, log: Log, now: () => number = Date.now) {
    this.#path = path;
    this.#keep = keep;
    this.#log = log;
    this.#now = now;
    this.#version = this.#look();
    this.#lookedAt = now();
    this.#read = this.#parse();
  }

  /** The same object until the file changes. */
  get current(): ResolvConf {
    if (this.#now() - this.#lookedAt < lookMs) return this.#read;
    this.#lookedAt = this.#now();
    try {
      const version = this.#look();
      if (version !== this.#version) {
        this.#read = this.#parse();
        this.#version = version;
        this.#log.info('new upstreams', { file: this.#path, upstreams: this.#read.upstreams.map(upstreamText).join() });
      }
    } catch (error) {
      this.#log.warn('upstreams stay as they were', { file: this.#path, reason: messageOf(error) });
    }
    return this.#read;
  }

  #look(): string {
    const { ino, mtimeMs, size } = statSync(this.#path);
    return `${ino} ${mtimeMs} ${size}`;
  }

  #parse(): ResolvConf {
    const { upstreams, searches } = parseResolvConf(readFileSync(this.#path, 'utf8'));
    return { upstreams: upstreams.filter(this.#keep), searches };
  }
}
