import type { Log } from '../base/log.ts';
import type { Routes } from './forward.ts';
import type { NameKey } from './names.ts';
import type { DnsOptions } from './options.ts';
import { ResolvConfFile, type Upstream } from './resolvconf.ts';
import { type DnsSettings, defaultSettings } from './settings.ts';

/** Who is asked for names of others: what settings say, else flags, else resolv.conf as it is at that moment. */
export class Routing {
  readonly #file: ResolvConfFile | undefined;
  readonly #flags: readonly Upstream[];
  #settings = defaultSettings;
  #routes: Routes = { upstreams: [], stubs: new Map() };

  /** Throws where there are neither flags nor a resolv.conf that can be read. */
  constructor(options: Pick<DnsOptions, 'upstreams' | 'resolvConf' | 'ownAddresses' | 'port'>, log: Log) {
    const { upstreams, resolvConf, ownAddresses, port } = options;
    const isOther = (upstream: Upstream) => upstream.port !== port || !ownAddresses.includes(upstream.address);
    this.#flags = upstreams.filter(isOther);
    this.#file = upstreams.length > 0 ? undefined : new ResolvConfFile(resolvConf, isOther, log);
  }

  use(settings: DnsSettings): void {
    this.#settings = settings;
  }

  /** The same object until something changes. */
  routes(): Routes {
    const upstreams = this.#settings.upstreams ?? this.#file?.current.upstreams ?? this.#flags;
    const { stubs } = this.#settings;
    if (upstreams !== this.#routes.upstreams || stubs !== this.#routes.stubs) this.#routes = { upstreams, stubs };
    return this.#routes;
  }

  /** Search domains of this machine, as pods have them from their nodes. */
  searches(): readonly NameKey[] {
    return this.#file?.current.searches ?? [];
  }
}
