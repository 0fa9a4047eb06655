import { configMaps } from '../api/resource.ts';
import type { ConfigMap } from '../api/types.ts';
import { KnitError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { InformerFactory } from '../client/informer.ts';
import { type NameKey, nameKey, rootKey } from './names.ts';
import { parseUpstream, type Upstream } from './resolvconf.ts';

/** What people may change while the server runs. */
export interface DnsSettings {
  /** In place of resolv.conf's; `undefined` where those are to be asked. */
  readonly upstreams: readonly Upstream[] | undefined;
  readonly stubs: ReadonlyMap<NameKey, readonly Upstream[]>;
  /** Whether the search path of the asking pod is followed for it. */
  readonly autopath: boolean;
}

export const defaultSettings: DnsSettings = { upstreams: undefined, stubs: new Map(), autopath: false };

/** The config map that is read, kube-dns' own: `kube-system/kube-dns`. */
export const settingsMap = { namespace: 'kube-system', name: 'kube-dns' } as const;

export interface SettingsFeed {
  /** Resolves when the config map was looked for; never where it may not be read. */
  readonly synced: Promise<void>;
  /** Config maps that were refused, for metrics. */
  readonly refused: number;
}

/** Calls `use` with every right state of the config map, and with the defaults when it is deleted. */
export function feedSettings(informers: InformerFactory, log: Log, use: (settings: DnsSettings) => void): SettingsFeed {
  const { namespace, name } = settingsMap;
  const informer = informers.informer(configMaps, { namespace, fieldSelector: `metadata.name=${name}` });
  const feed = { synced: informer.synced, refused: 0 };
  informer.onChange((map) => {
    try {
      use(map ? parseSettings(map) : defaultSettings);
      log.info('settings', { configMap: `${namespace}/${name}`, keys: Object.keys(map?.data ?? {}).join() });
    } catch (error) {
      feed.refused++;
      log.error('wrong config map; the last good one stays', { reason: messageOf(error) });
    }
  });
  return feed;
}

/** Throws {@link KnitError} `SETTINGS_INVALID` that names the key. */
export function parseSettings({ data = {} }: Pick<ConfigMap, 'data'>): DnsSettings {
  const { stubDomains, upstreamNameservers, autopath, ...others } = data;
  const [unknown] = Object.keys(others);
  if (unknown) throw invalid(unknown, 'unknown; there are: stubDomains, upstreamNameservers, autopath');
  return {
    upstreams: upstreamNameservers === undefined ? undefined : parseUpstreams(upstreamNameservers),
    stubs: stubDomains === undefined ? new Map() : parseStubs(stubDomains),
    autopath: autopath === undefined ? false : parseFlag(autopath),
  };
}

function parseUpstreams(text: string): readonly Upstream[] {
  return serversOf('upstreamNameservers', json('upstreamNameservers', text));
}

function parseStubs(text: string): Map<NameKey, readonly Upstream[]> {
  const value = json('stubDomains', text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('stubDomains', 'must be an object: { "corp.example": ["10.0.0.53"] }');
  return new Map(
    Object.entries(value).map(([domain, servers]) => {
      const key = nameKey(domain);
      if (key === undefined || key === rootKey) throw invalid('stubDomains', `${JSON.stringify(domain)} is no domain`);
      return [key, serversOf(`stubDomains ${domain}`, servers)];
    }),
  );
}

function serversOf(key: string, value: unknown): readonly Upstream[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid(key, 'must be a list of addresses: ["10.0.0.53"]');
  return value.map((each: unknown) => {
    const upstream = typeof each === 'string' ? parseUpstream(each) : undefined;
    if (upstream) return upstream;
    throw invalid(key, `${JSON.stringify(each)} is not an address; write "10.0.0.53" or "10.0.0.53:5353"`);
  });
}

function parseFlag(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw invalid('autopath', `${JSON.stringify(text)} must be "true" or "false"`);
}

function json(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(key, `no JSON: ${messageOf(error)}`);
  }
}

function invalid(key: string, problem: string): KnitError {
  return new KnitError('SETTINGS_INVALID', `${key}: ${problem}`);
}
