import * as https from 'node:https';
import { isIP } from 'node:net';
import { messageOf } from '../../../base/errors.ts';
import type { WatchCache } from '../../cache/watch-cache.ts';
import { endpointOfService } from '../../service-endpoints.ts';

/** admissionregistration.k8s.io/v1 and apiextensions.k8s.io/v1 WebhookClientConfig. */
export interface ClientConfig {
  readonly url?: string;
  readonly service?: {
    readonly namespace: string;
    readonly name: string;
    readonly path?: string;
    readonly port?: number;
  };
  /** PEM in base64. */
  readonly caBundle?: string;
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Who the certificate has to name. */
  readonly servername: string;
  /** As it stands in messages. */
  readonly url: string;
}

/** Answers that are longer are refused. */
const ANSWER_LIMIT = 3 * 1024 * 1024;

/** Sends reviews to webhooks, over connections that stay open for a while. */
export class WebhookClient {
  readonly #cache: WatchCache;
  readonly #agents = new Map<string, https.Agent>();

  constructor(cache: WatchCache) {
    this.#cache = cache;
  }

  stop(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  /**
   * Posts a review and reads the answer.
   *
   * @throws Error in the words of Go's client, where there is no good answer in time
   */
  async post(config: ClientConfig, body: unknown, timeoutMs: number): Promise<unknown> {
    const target = this.#resolve(config, timeoutMs);
    try {
      return JSON.parse(await this.#send(target, config.caBundle, JSON.stringify(body), timeoutMs));
    } catch (error) {
      throw new Error(`failed to call webhook: Post "${target.url}": ${messageOf(error)}`);
    }
  }

  #resolve({ url, service }: ClientConfig, timeoutMs: number): Target {
    const query = `timeout=${timeoutMs / 1000}s`;
    if (service) return this.#resolveService(service, query);
    const { hostname, port, pathname, search } = new URL(url ?? '');
    const path = `${pathname}${search === '' ? '?' : `${search}&`}${query}`;
    const host = hostname.replace(/^\[|\]$/g, '');
    return {
      host,
      port: Number(port || 443),
      path,
      servername: host,
      url: `https://${hostname}${port && `:${port}`}${path}`,
    };
  }

  /** The server may stand outside of where virtual addresses are known: it speaks to an endpoint itself. */
  #resolveService(
    { namespace, name, path = '', port = 443 }: NonNullable<ClientConfig['service']>,
    query: string,
  ): Target {
    const servername = `${name}.${namespace}.svc`;
    const rest = {
      servername,
      path: `${path || '/'}?${query}`,
      url: `https://${servername}:${port}${path || '/'}?${query}`,
    };
    try {
      return { ...rest, ...endpointOfService(this.#cache, { namespace, name, port }) };
    } catch (error) {
      throw new Error(`failed to call webhook: ${messageOf(error)}`);
    }
  }

  #send(target: Target, caBundle: string | undefined, body: string, timeoutMs: number): Promise<string> {
    const { host, port, path, servername } = target;
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      host: `${isIP(servername) === 6 ? `[${servername}]` : servername}:${port}`,
    };
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const signal = AbortSignal.timeout(timeoutMs);
    const agent = this.#agentOf(caBundle);
    const named = isIP(servername) ? {} : { servername };
    const call = https.request({ agent, host, port, path, method: 'POST', headers, signal, ...named });
    call.once('error', () => reject(signal.aborted ? new Error('context deadline exceeded') : call.errored));
    call.once('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > ANSWER_LIMIT) call.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`the server answered ${response.statusCode}: ${text.slice(0, 200)}`));
      });
      response.once('error', reject);
    });
    call.end(body);
    return promise;
  }

  #agentOf(caBundle = ''): https.Agent {
    let agent = this.#agents.get(caBundle);
    if (!agent) {
      const ca = caBundle === '' ? undefined : Buffer.from(caBundle, 'base64').toString('utf8');
      agent = new https.Agent({ keepAlive: true, timeout: 30_000, ca });
      this.#agents.set(caBundle, agent);
    }
    return agent;
  }
}
