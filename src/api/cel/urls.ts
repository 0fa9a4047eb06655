import type { Environment } from '@marcbachmann/cel-js';
import { addFunctions } from './environment.ts';

/** A URL, or a path from the root, as Go's url.ParseRequestURI takes it. */
class CelURL {
  readonly scheme: string;
  readonly host: string;
  readonly hostname: string;
  readonly port: string;
  readonly path: string;
  readonly query: string;
  readonly text: string;

  constructor(text: string) {
    const match =
      /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d*))?)?([^?#]*)(?:\?([^#]*))?/i.exec(
        text,
      );
    if (!isURL(text) || !match)
      throw new Error(`URL parse error during conversion from string: parse ${JSON.stringify(text)}`);
    const [, scheme = '', hostname = '', port = '', path = '', query = ''] = match;
    this.text = text;
    this.scheme = scheme.toLowerCase();
    this.hostname = hostname.replace(/^\[|\]$/g, '');
    this.port = port;
    this.host = port === '' ? hostname : `${hostname}:${port}`;
    this.path = path;
    this.query = query;
  }

  equals(other: unknown): boolean {
    return other instanceof CelURL && other.text === this.text;
  }
}

function isURL(text: string): boolean {
  if (text.startsWith('/')) return URL.canParse(`http://host${text}`);
  return /^[a-z][a-z0-9+.-]*:/i.test(text) && URL.canParse(text);
}

function queryOf({ query }: CelURL): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query)) found.set(name, [...(found.get(name) ?? []), value]);
  return found;
}

/** Kubernetes' library of URLs. */
export function addUrls(env: Environment): void {
  env.registerType('kubernetes.URL', CelURL);
  env.registerOperator('kubernetes.URL == kubernetes.URL', (a: CelURL, b: CelURL) => a.equals(b));
  addFunctions(env, {
    'url(string): kubernetes.URL': (text: string) => new CelURL(text),
    'isURL(string): bool': isURL,
    'kubernetes.URL.getScheme(): string': ({ scheme }: CelURL) => scheme,
    'kubernetes.URL.getHost(): string': ({ host }: CelURL) => host,
    'kubernetes.URL.getHostname(): string': ({ hostname }: CelURL) => hostname,
    'kubernetes.URL.getPort(): string': ({ port }: CelURL) => port,
    'kubernetes.URL.getEscapedPath(): string': ({ path }: CelURL) => path,
    'kubernetes.URL.getQuery(): map<string, list<string>>': queryOf,
  });
}
