import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { parse } from 'yaml';

interface Discovered {
  readonly resource: string;
  readonly singularResource: string;
  readonly shortNames?: readonly string[];
  readonly scope: 'Cluster' | 'Namespaced';
  readonly responseKind: { readonly group: string; readonly version: string };
}

interface Groups {
  readonly items: readonly { readonly versions: readonly { readonly resources: readonly Discovered[] }[] }[];
}

/** What a look asks for, as `kubectl get` writes it. */
interface Look {
  readonly words: readonly string[];
  readonly namespace: string;
  readonly everywhere: boolean;
  readonly query: URLSearchParams;
}

/**
 * Looks at objects without a kubectl: tests look again and again until something holds, and each kubectl takes a tenth
 * of a second of a core from the cluster that they wait for.
 */
export class ApiReader {
  readonly #server: string;
  readonly #identity: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
  #known: readonly Discovered[] = [];

  constructor(kubeconfig: string) {
    const { clusters, users } = parse(readFileSync(kubeconfig, 'utf8'));
    const { cluster } = clusters[0];
    const { user } = users[0];
    const decode = (text: string) => Buffer.from(text, 'base64');
    this.#server = cluster.server;
    this.#identity = {
      ca: decode(cluster['certificate-authority-data']),
      cert: decode(user['client-certificate-data']),
      key: decode(user['client-key-data']),
    };
  }

  /** The object or list that `kubectl get ARGS -o json` shows; undefined for arguments that only kubectl understands. */
  async get(args: readonly string[]): Promise<unknown> {
    const look = readArguments(args);
    const [word = '', name, ...more] = look?.words ?? [];
    if (!look || more.length > 0 || /[,/]/.test(word)) return undefined;
    const found = await this.#find(word);
    if (!found) return undefined;
    const { group, version } = found.responseKind;
    const parts = [
      ...(group ? ['apis', group] : ['api']),
      version,
      ...(found.scope === 'Namespaced' && !look.everywhere ? ['namespaces', look.namespace] : []),
      found.resource,
      ...(name === undefined ? [] : [name]),
    ];
    return await this.#read(`/${parts.map(encodeURIComponent).join('/')}?${look.query}`);
  }

  /** By its name, singular or short name, as the server tells them; definitions may have come since the last look. */
  async #find(word: string): Promise<Discovered | undefined> {
    const isIt = ({ resource, singularResource, shortNames, responseKind }: Discovered) =>
      [resource, singularResource, `${resource}.${responseKind.group}`, ...(shortNames ?? [])].includes(word);
    const known = this.#known.find(isIt);
    if (known) return known;
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const [core, others] = (await Promise.all(['/api', '/apis'].map((path) => this.#read(path, accept)))) as [
      Groups,
      Groups,
    ];
    this.#known = [...core.items, ...others.items].flatMap(({ versions }) => versions[0]?.resources ?? []);
    return this.#known.find(isIt);
  }

  /** A connection for each: the server may have been killed since. */
  #read(path: string, accept = 'application/json'): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const options = { ...this.#identity, agent: false, timeout: 60_000, headers: { accept } };
      const asked = request(`${this.#server}${path}`, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`GET ${path}: ${response.statusCode} ${text}`));
        });
      });
      asked.once('error', reject).once('timeout', () => asked.destroy(new Error(`GET ${path}: no answer`)));
      asked.end();
    });
  }
}

function readArguments(args: readonly string[]): Look | undefined {
  const words: string[] = [];
  const query = new URLSearchParams();
  let namespace = 'default';
  let everywhere = false;
  const left = args.values();
  for (const arg of left) {
    if (arg === '-n') namespace = left.next().value ?? '';
    else if (arg === '-A') everywhere = true;
    else if (arg === '-l') query.set('labelSelector', left.next().value ?? '');
    else if (arg === '--field-selector') query.set('fieldSelector', left.next().value ?? '');
    else if (arg.startsWith('-')) return undefined;
    else words.push(arg);
  }
  return { words, namespace, everywhere, query };
}
