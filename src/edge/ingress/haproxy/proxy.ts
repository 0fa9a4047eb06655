import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { KnitError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { waitFor } from '../../../base/wait.ts';
import type { RoutingPlan } from '../plan.ts';
import {
  certificateLines,
  changeCertificates,
  changeRoutes,
  changeServers,
  NotAtRunTime,
  Retirement,
} from './changes.ts';
import { ask, Commands } from './commands.ts';
import { type Frame, formatConfig, frameOf, type ProxyOptions, type Servers, serversOf } from './config.ts';
import { certificateListPath, certificatePath, type ProxyFiles } from './files.ts';
import { portRoutes } from './ports.ts';
import { formatMap, routeMap } from './routes.ts';
import { type Aliases, giveSpares } from './spares.ts';
import { startCommand } from './start.ts';

/** Where the proxy runs: makes its place on the machine when it is wanted, and takes it away. */
export interface ProxyPlace {
  runs(): boolean;
  /** Starts a command there; it is started again whenever it ends, until `stop`. */
  start(command: readonly string[]): Promise<void>;
  /** What is sent to these addresses too comes there, and to no others but its own. Nothing where it does not run. */
  reach(addresses: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

export interface HaproxyOptions extends ProxyOptions {
  readonly place: ProxyPlace;
  readonly log: Log;
  /** Chain and key that serve where nobody brought any, PEM. */
  defaultCertificate(): string;
  /** The plan is to be applied again: the process ended, or has time for a reload. */
  onDue(): void;
}

/** What HAProxy should hold, as it is given to it. */
export interface Wanted {
  readonly frame: Frame;
  readonly servers: Servers;
  readonly routes: ReadonlyMap<string, string>;
  readonly certificates: RoutingPlan['certificates'];
  readonly pems: RoutingPlan['pems'];
}

const startMs = 15_000;
const reloadMs = 30_000;
/** Reloads take at most a third of the time; what comes between is one. */
const restFactor = 2;
/** Files follow run-time changes by so much: they are read by a process that starts after a crash, and mended then. */
const fileDelayMs = 250;
/** When nothing was new for so long, backends that began as spare ones get their names. */
const nameDelayMs = 10_000;

/**
 * One HAProxy: what can be changed at run time is, the rest is a reload, which no client notices: the old process
 * keeps its connections until they end.
 */
export class Haproxy {
  readonly #options: HaproxyOptions;
  readonly #files: ProxyFiles;
  #link: { readonly commands: Commands; readonly retirement: Retirement } | undefined;
  #held: Wanted | undefined;
  #fileTimer: NodeJS.Timeout | undefined;
  #aliases: Aliases = new Map();
  #nameTimer: NodeJS.Timeout | undefined;
  #namesAreDue = false;
  readonly #written = new Map<string, string>();
  /** Before this, in ms of `performance.now()`, it should not reload again: most of the time goes to requests. */
  restsUntil = 0;

  constructor(options: HaproxyOptions) {
    this.#options = options;
    this.#files = options.files;
  }

  /** Makes it hold a plan; starts it where it does not run. Never called twice at once. */
  async apply(plan: RoutingPlan): Promise<void> {
    await this.#apply(plan);
    const addresses = [...plan.ports.values()].flatMap((port) => port.addresses);
    await this.#options.place.reach([...new Set(addresses)].toSorted());
  }

  async #apply(plan: RoutingPlan): Promise<void> {
    const held = this.#held;
    if (!held) return await this.#begin(plan);
    const aliases = this.#namesAreDue ? undefined : giveSpares(this.#aliases, held.frame, plan.backends.values());
    const wanted = aliases && this.#render(plan, aliases);
    if (!aliases || !wanted || needsReload(held.frame, wanted.frame)) return await this.#reload(plan);
    try {
      await this.#change(held, wanted);
    } catch (error) {
      if (!(error instanceof NotAtRunTime)) throw error;
      this.#options.log.info('reloading', { why: error.message });
      return await this.#reload(plan);
    }
    this.#aliases = aliases;
    if (aliases.size > 0) this.#nameLater();
  }

  /** Ends it and removes its files. The place stays as long as `stop` was not asked for: `detach` leaves it running. */
  async stop(): Promise<void> {
    this.detach();
    await this.#options.place.stop();
    rmSync(this.#files.folder, { recursive: true, force: true });
    this.#written.clear();
  }

  /** Leaves it running, as it is now. */
  detach(): void {
    if (this.#fileTimer && this.#held) this.#write(this.#held);
    this.#forget();
  }

  async #begin(plan: RoutingPlan): Promise<void> {
    const wanted = this.#render(plan);
    this.#writeDefaultCertificate();
    this.#write(wanted);
    const { place } = this.#options;
    const ran = place.runs();
    if (!ran) await place.start(startCommand(this.#files));
    const what = 'HAProxy to answer';
    const commands = await waitFor(() => Commands.open(this.#files.socket), {
      what,
      timeoutMs: startMs,
      intervalMs: 5,
    });
    // What ran before may hold anything: what the files said at another time.
    if (!ran) return this.#take(commands, wanted);
    commands.close();
    await this.#reload(plan);
  }

  async #reload(plan: RoutingPlan): Promise<void> {
    const wanted = this.#render(plan);
    this.#forget();
    this.#write(wanted);
    const { masterSocket, socket } = this.#files;
    const began = performance.now();
    const before = await worker(masterSocket);
    await ask(masterSocket, 'reload').catch(() => ''); // it ends as the master starts anew
    const now = await waitFor(
      () =>
        worker(masterSocket).then((now) =>
          now.pid !== before.pid || now.failures > before.failures ? now : undefined,
        ),
      {
        what: 'HAProxy to reload',
        timeoutMs: reloadMs,
        intervalMs: 5,
      },
    );
    if (now.pid === before.pid) {
      throw new KnitError(
        'PROXY_REFUSED',
        'HAProxy refused its new configuration and keeps the old one',
        `see ${this.#files.log}`,
      );
    }
    const what = 'the new HAProxy';
    this.#take(await waitFor(() => openTo(socket, now.pid), { what, timeoutMs: startMs, intervalMs: 5 }), wanted);
    const ended = performance.now();
    this.restsUntil = ended + restFactor * (ended - began);
  }

  async #change(held: Wanted, wanted: Wanted): Promise<void> {
    const { commands, retirement } = this.#link ?? gone();
    await retirement.pause();
    await changeServers(commands, retirement, held.servers, wanted.servers);
    await changeCertificates(commands, this.#files, held.certificates, wanted.certificates);
    await changeRoutes(commands, this.#files, held.routes, wanted.routes);
    await retirement.begin();
    // Sections that nobody wants any more stay until the next reload.
    this.#held = { ...wanted, frame: new Map([...held.frame, ...wanted.frame]) };
    this.#fileTimer ??= setTimeout(() => this.#held && this.#write(this.#held), fileDelayMs).unref();
  }

  #render(plan: RoutingPlan, aliases?: Aliases): Wanted {
    return {
      frame: frameOf(plan, this.#options, aliases),
      servers: serversOf(plan, this.#files, aliases),
      routes: new Map([...routeMap(plan.routes.values(), aliases), ...portRoutes(plan.ports.values(), aliases)]),
      certificates: plan.certificates,
      pems: plan.pems,
    };
  }

  /** A reload in a quiet moment gives backends their own names, and new spare ones. */
  #nameLater(): void {
    clearTimeout(this.#nameTimer);
    this.#nameTimer = setTimeout(() => {
      this.#namesAreDue = true;
      this.#options.onDue();
    }, nameDelayMs).unref();
  }

  #take(commands: Commands, wanted: Wanted): void {
    this.#link = { commands, retirement: new Retirement(commands) };
    this.#held = wanted;
    void commands.closed.then(() => {
      if (this.#link?.commands !== commands) return;
      this.#forget();
      this.#options.log.warn('HAProxy ended; it is brought back');
      this.#options.onDue();
    });
  }

  #forget(): void {
    clearTimeout(this.#nameTimer);
    this.#namesAreDue = false;
    this.#aliases = new Map();
    clearTimeout(this.#fileTimer);
    this.#fileTimer = undefined;
    const link = this.#link;
    this.#link = undefined;
    this.#held = undefined;
    link?.retirement.stop();
    link?.commands.close();
  }

  #writeDefaultCertificate(): void {
    const path = certificatePath(this.#files, 'default');
    if (existsSync(path)) return;
    mkdirSync(this.#files.certificates, { recursive: true, mode: 0o700 });
    mkdirSync(dirname(this.#files.accessLog), { recursive: true });
    writeFileSync(path, this.#options.defaultCertificate(), { mode: 0o600 });
  }

  /** Brings the files to what is wanted, those that differ. */
  #write(wanted: Wanted): void {
    clearTimeout(this.#fileTimer);
    this.#fileTimer = undefined;
    const files = this.#files;
    const names = new Set(['default', ...wanted.certificates.keys(), ...wanted.pems.keys()]);
    for (const [name, pem] of wanted.pems) this.#writeFile(certificatePath(files, name), pem, 0o600);
    for (const { name, pem } of wanted.certificates.values()) this.#writeFile(certificatePath(files, name), pem, 0o600);
    const lists = Map.groupBy(wanted.certificates.values(), ({ port }) => port);
    for (const port of new Set([undefined, ...lists.keys()])) {
      // The first one serves where none has the name that a client asks for.
      const first = port === undefined ? [certificatePath(files, 'default')] : [];
      const lines = [...first, ...certificateLines(files, lists.get(port) ?? [])];
      this.#writeFile(certificateListPath(files, port), lines.map((line) => `${line}\n`).join(''));
    }
    this.#writeFile(files.routes, formatMap(wanted.routes));
    this.#writeFile(files.config, formatConfig(wanted.frame, wanted.servers));
    for (const name of readdirSync(files.certificates)) {
      const path = join(files.certificates, name);
      if (names.has(name.replace(/\.pem$/, ''))) continue;
      rmSync(path, { force: true });
      this.#written.delete(path);
    }
  }

  #writeFile(path: string, text: string, mode = 0o644): void {
    if (this.#written.get(path) === text) return;
    writeFileSync(`${path}.new`, text, { mode });
    renameSync(`${path}.new`, path);
    this.#written.set(path, text);
  }
}

function gone(): never {
  throw new KnitError('PROXY_GONE', 'HAProxy is not connected');
}

/** Something of a section that is held differs, or one is new. A backend that went is no reason, a port is. */
function needsReload(held: Frame, wanted: Frame): boolean {
  const lost = [...held.keys()].some((name) => name.startsWith('frontend ') && !wanted.has(name));
  return lost || [...wanted].some(([name, text]) => held.get(name) !== text);
}

interface Worker {
  readonly pid: number;
  /** Reloads that failed so far. */
  readonly failures: number;
}

/** The present worker, as the master knows it; throws while there is none. */
async function worker(masterSocket: string): Promise<Worker> {
  const answer = await ask(masterSocket, 'show proc');
  const pid = /^(\d+)\s+worker/m.exec(answer.split('# old workers')[0] ?? '')?.[1];
  if (pid === undefined) throw new Error('HAProxy has no worker');
  return { pid: Number(pid), failures: Number(/\[failed: (\d+)\]/.exec(answer)?.[1] ?? 0) };
}

/** A connection to the worker `pid`; throws while another one answers. */
async function openTo(socket: string, pid: number): Promise<Commands> {
  const commands = await Commands.open(socket);
  if (new RegExp(`^Pid: ${pid}$`, 'm').test(await commands.send('show info'))) return commands;
  commands.close();
  throw new Error('the old worker still answers');
}
