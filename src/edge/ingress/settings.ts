import { isIP } from 'node:net';
import type { BackendPolicy, BackendProtocol, CanaryRule } from './plan.ts';

/** Annotations of knit's own begin so; a class' ConfigMap has the same names without it. */
export const annotationPrefix = 'knit.dev/';

/** What annotations and class parameters say, as docs/ingress.md tells them. */
export interface Settings {
  /** Through every node's port, or straight to pods. */
  readonly backends: 'nodes' | 'pods';
  /** Left out: what the Service's `appProtocol` says. */
  readonly protocol?: BackendProtocol;
  /** All but the rewrite, which depends on the path. */
  readonly policy: BackendPolicy;
  readonly replacePrefix?: string;
  readonly canary?: CanaryRule;
  readonly trustedProxies: readonly string[];
}

/** A value as it was written → what it means; throws {@link Unreadable} with what is allowed. */
type Reader<T> = (text: string) => T;

class Unreadable extends Error {}

const oneOf =
  <T extends string>(...allowed: readonly T[]): Reader<T> =>
  (text) => {
    const found = allowed.find((each) => each === text.toLowerCase());
    if (found === undefined) throw new Unreadable(`must be one of ${allowed.join(', ')}`);
    return found;
  };

const matching =
  (pattern: RegExp, allowed: string): Reader<string> =>
  (text) => {
    if (!pattern.test(text)) throw new Unreadable(`must be ${allowed}`);
    return text;
  };

const bool: Reader<boolean> = (text) => oneOf('true', 'false')(text) === 'true';

/** `500ms`, `30s`, `5m`, `1h`, or seconds. To ms. */
const duration: Reader<number> = (text) => {
  const [, number, unit = 's'] = /^(\d{1,6})(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = Number(number) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? 0);
  // The proxy counts in 31 bits of milliseconds.
  if (!(ms > 0 && ms < 2 ** 31)) throw new Unreadable('must be a time such as 500ms, 30s, 5m or 1h');
  return ms;
};

const percent: Reader<number> = (text) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 100) throw new Unreadable('must be a number from 0 to 100');
  return value;
};

const networks: Reader<readonly string[]> = (text) =>
  text.split(/[\s,]+/).map((each) => {
    const [address = '', bits = '0', more] = each.split('/');
    const family = isIP(address);
    if (
      !family ||
      address.includes('%') ||
      more !== undefined ||
      !/^\d+$/.test(bits) ||
      Number(bits) > (family === 4 ? 32 : 128)
    ) {
      throw new Unreadable('must be networks such as 10.0.0.0/8, with commas between them');
    }
    return each;
  });

const token = matching(/^[\w.-]{1,128}$/, "letters, digits, '-', '_' and '.'");
const urlPath = matching(/^\/[\w./~!$&()*+,=:@%-]*$/, 'a path that begins with /');
const url = matching(/^(https?:\/\/[\w.:[\]-]+)?\/?[\w./~!$&()*+,;=:@%?-]*$/, 'a URL');

const readers = {
  backends: oneOf('nodes', 'pods'),
  'backend-protocol': oneOf('http', 'https', 'h2c', 'grpc', 'grpcs'),
  'https-redirect': bool,
  redirect: url,
  'redirect-code': oneOf('301', '302', '303', '307', '308'),
  'replace-prefix': urlPath,
  'timeout-connect': duration,
  'timeout-response': duration,
  'timeout-tunnel': duration,
  affinity: oneOf('cookie', 'none'),
  'affinity-cookie': token,
  'send-proxy-protocol': oneOf('v1', 'v2'),
  canary: bool,
  'canary-weight': percent,
  'canary-header': token,
  'canary-header-value': token,
  'accept-proxy-protocol-from': networks,
} satisfies Readonly<Record<string, Reader<unknown>>>;

type Values = { readonly [K in keyof typeof readers]?: ReturnType<(typeof readers)[K]> };

/** Only a class says it: all that it serves come by the same port. */
const ofClassesOnly = new Set(['accept-proxy-protocol-from']);

/**
 * Reads what an Ingress says over what its class says. A value that cannot be read counts as not said, and is one of
 * the problems.
 */
export function readSettings(
  annotations: Readonly<Record<string, string>>,
  parameters: Readonly<Record<string, string>> = {},
): { readonly settings: Settings; readonly problems: readonly string[] } {
  const own = Object.entries(annotations).flatMap(([key, text]) =>
    key.startsWith(annotationPrefix) ? [[key.slice(annotationPrefix.length), text] as const] : [],
  );
  const problems: string[] = [];
  const values = {
    ...readAll(Object.entries(parameters), 'class parameter ', problems),
    ...readAll(
      own.filter(([name]) => !ofClassesOnly.has(name)),
      `annotation ${annotationPrefix}`,
      problems,
    ),
  };
  return { settings: settingsOf(values), problems };
}

function readAll(entries: readonly (readonly [string, string])[], where: string, problems: string[]): Values {
  const read = entries.flatMap(([name, text]) => {
    const reader: Reader<unknown> | undefined = readers[name as keyof typeof readers];
    try {
      if (!reader) throw new Unreadable('nothing of this name is known');
      return [[name, reader(text.trim())] as const];
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      problems.push(`${where}${name}: ${JSON.stringify(text.slice(0, 80))}: ${error.message}`);
      return [];
    }
  });
  return Object.fromEntries(read) as Values;
}

function settingsOf(values: Values): Settings {
  const affinity = values.affinity === 'cookie' ? (values['affinity-cookie'] ?? 'knit-server') : undefined;
  const redirect = values.redirect && { url: values.redirect, code: Number(values['redirect-code'] ?? 302) };
  const protocol = values['backend-protocol'];
  return {
    backends: values.backends ?? 'nodes',
    protocol: protocol === 'grpc' ? 'h2c' : protocol,
    policy: {
      connectTimeoutMs: values['timeout-connect'],
      responseTimeoutMs: values['timeout-response'],
      tunnelTimeoutMs: values['timeout-tunnel'],
      affinityCookie: affinity,
      proxyProtocol: values['send-proxy-protocol'],
      httpsRedirect: values['https-redirect'] || undefined,
      redirect: redirect || undefined,
    },
    replacePrefix: values['replace-prefix'],
    canary: values.canary ? canaryOf(values) : undefined,
    trustedProxies: values['accept-proxy-protocol-from'] ?? [],
  };
}

function canaryOf(values: Values): CanaryRule {
  return {
    weight: values['canary-weight'] ?? 0,
    header: values['canary-header'],
    value: values['canary-header-value'],
  };
}
