import { KnitError, messageOf } from '../base/errors.ts';
import { canonicalPrefix } from '../base/prefixes.ts';

/** Where ip-masq-agent looks: this ConfigMap's key `config`. */
export const masqConfigMap = { namespace: 'kube-system', name: 'ip-masq-agent' } as const;
const KEY = 'config';

const LINK_LOCAL = '169.254.0.0/16';
const LINK_LOCAL_IPV6 = 'fe80::/10';

/**
 * Destinations that see pods' own addresses, by the ConfigMap of ip-masq-agent: `nonMasqueradeCIDRs`, and link-local
 * addresses unless `masqLinkLocal` (`masqLinkLocalIPv6`) says otherwise. `resyncInterval` means nothing here: changes
 * are watched. Empty where there is no such ConfigMap. Throws `MASQ_CONFIG_INVALID`.
 */
export async function nonMasqueradeCIDRs(data: Readonly<Record<string, string>> | undefined): Promise<string[]> {
  const text = data?.[KEY];
  if (text === undefined) return [];
  const config = await parse(text);
  const asked = config.nonMasqueradeCIDRs ?? [];
  if (!Array.isArray(asked)) throw invalid('nonMasqueradeCIDRs is no list');
  const cidrs = asked.map((each) => {
    const prefix = canonicalPrefix(String(each));
    if (prefix === undefined || !String(each).includes('/')) throw invalid(`${JSON.stringify(each)} is no network`);
    return prefix;
  });
  return [
    ...cidrs,
    ...(config.masqLinkLocal === true ? [] : [LINK_LOCAL]),
    ...(config.masqLinkLocalIPv6 === true ? [] : [LINK_LOCAL_IPV6]),
  ];
}

async function parse(text: string): Promise<Readonly<Record<string, unknown>>> {
  // Few clusters have one: the others need not load a parser.
  const { parse: parseYaml } = await import('yaml');
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (error) {
    throw invalid(messageOf(error));
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid('it is no mapping');
  return value as Readonly<Record<string, unknown>>;
}

function invalid(why: string): KnitError {
  return new KnitError(
    'MASQ_CONFIG_INVALID',
    `the ConfigMap ${masqConfigMap.namespace}/${masqConfigMap.name}: ${KEY}: ${why}`,
    'write it as ip-masq-agent reads it: nonMasqueradeCIDRs: [10.0.0.0/8]',
  );
}
