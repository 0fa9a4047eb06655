import { connect, createServer, type Server, type Socket } from 'node:net';
import { ingresses, nodes, services } from '../api/resource.ts';
import type { Ingress, Node, Service } from '../api/types.ts';
import { KnitError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { splice } from '../base/upgrade.ts';
import type { InformerFactory } from '../client/informer.ts';

/** What a port of this machine's loopback leads to. */
export interface Publication {
  readonly port: number;
  readonly kind: 'service' | 'ingress';
  readonly namespace: string;
  readonly name: string;
  /** Number or name of a port of the Service; of an Ingress 80 or 443. Left out: the first, or 80. */
  readonly targetPort?: string;
}

/** `8080:ingress/web`, `9000:service/shop/web:http`. Throws `PUBLISH_INVALID`. */
export function parsePublication(text: string): Publication {
  const [, port, kind, namespace, name, targetPort] =
    /^(\d+):(service|ingress)\/(?:([a-z0-9-]+)\/)?([a-z0-9.-]+)(?::([a-z0-9-]+))?$/.exec(text) ?? [];
  if (!name || Number(port) < 1 || Number(port) > 65535) {
    throw new KnitError(
      'PUBLISH_INVALID',
      `${text} publishes nothing`,
      'write PORT:ingress/NAME or PORT:service/NAMESPACE/NAME:PORT',
    );
  }
  return {
    port: Number(port),
    kind: kind as Publication['kind'],
    namespace: namespace ?? 'default',
    name,
    ...(targetPort === undefined ? {} : { targetPort }),
  };
}

export interface PublishOptions {
  readonly informers: InformerFactory;
  readonly log: Log;
  readonly publications: readonly Publication[];
  /** Listening socket of the first publication; the others' follow it. */
  readonly firstFd: number;
}

const CONNECT_TIMEOUT_MS = 5000;

/** Carries connections from listening sockets to what they publish, as it is when a connection comes. */
export async function startPublishing({ informers, log, publications, firstFd }: PublishOptions): Promise<Running> {
  if (publications.length === 0) return { stop: async () => undefined };
  const world: World = {
    service: (key) => allServices.get(key),
    ingress: (key) => allIngresses.get(key),
    nodes: () => allNodes.list(),
  };
  const allServices = informers.informer(services);
  const allIngresses = informers.informer(ingresses);
  const allNodes = informers.informer(nodes);
  await informers.start();
  const open = new Set<Socket>();
  const servers = publications.map((publication, index) => {
    const server = createServer((socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      const target = targetOf(publication, world);
      if (target) return carry(socket, target);
      log.warn('nothing to lead to', { port: publication.port, to: `${publication.kind}/${publication.name}` });
      socket.resetAndDestroy();
    });
    return server.listen({ fd: firstFd + index });
  });
  return {
    async stop() {
      const closed = Promise.all(servers.map(closing));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

interface Target {
  readonly host: string;
  readonly port: number;
}

/** What of the API a publication is about. */
export interface World {
  service(key: string): Service | undefined;
  ingress(key: string): Ingress | undefined;
  nodes(): readonly Node[];
}

/** Where a connection is led now: a virtual address, else a node port; undefined where neither is there. */
export function targetOf(publication: Publication, world: World): Target | undefined {
  const key = `${publication.namespace}/${publication.name}`;
  if (publication.kind === 'ingress') {
    const host = world.ingress(key)?.status?.loadBalancer?.ingress?.[0]?.ip;
    return host ? { host, port: Number(publication.targetPort ?? 80) } : undefined;
  }
  const service = world.service(key);
  const asked = publication.targetPort;
  const tcp = service?.spec?.ports?.filter(({ protocol = 'TCP' }) => protocol === 'TCP');
  const port = tcp?.find(({ name, port }) => asked === undefined || name === asked || String(port) === asked);
  const host = service?.status?.loadBalancer?.ingress?.[0]?.ip;
  if (host && port) return { host, port: port.port };
  const node = world
    .nodes()
    .find(isReady)
    ?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  return node && port?.nodePort ? { host: node, port: port.nodePort } : undefined;
}

function isReady({ status }: Node): boolean {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
}

function carry(socket: Socket, target: Target): void {
  const upstream = connect(target);
  const timer = setTimeout(() => upstream.destroy(), CONNECT_TIMEOUT_MS).unref();
  upstream.once('connect', () => clearTimeout(timer));
  upstream.once('close', () => clearTimeout(timer));
  splice(socket, upstream);
}

function closing(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
