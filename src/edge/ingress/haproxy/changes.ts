import type { CertificatePlan } from '../plan.ts';
import { type Commands, word } from './commands.ts';
import type { Servers } from './config.ts';
import { certificateListPath, certificatePath, type ProxyFiles } from './files.ts';
import { formatMap } from './routes.ts';

/** A change that HAProxy does not make while it runs. */
export class NotAtRunTime extends Error {}

/** Sends a command whose success is known by its answer. */
async function must(commands: Commands, success: RegExp, command: string, payload?: string): Promise<void> {
  const answer = await commands.send(command, payload);
  if (!success.test(answer)) throw new NotAtRunTime(`${command.slice(0, 200)}: ${answer || 'no answer'}`);
}

const silence = /^$/;

/** Adds servers and lets those go that are not wanted any more. */
export async function changeServers(
  commands: Commands,
  retirement: Retirement,
  held: Servers,
  wanted: Servers,
): Promise<void> {
  for (const [backend, servers] of wanted) {
    const before = held.get(backend);
    for (const [name, words] of servers)
      await changeServer(commands, retirement, `${backend}/${name}`, before?.get(name), words);
  }
  for (const [backend, servers] of held) {
    for (const [name, words] of servers) {
      if (!wanted.get(backend)?.has(name)) retirement.add(`${backend}/${name}`, words);
    }
  }
}

async function changeServer(
  commands: Commands,
  retirement: Retirement,
  server: string,
  before: string | undefined,
  words: string,
): Promise<void> {
  if (before === words) return;
  const leaving = retirement.takeBack(server);
  const present = before ?? leaving;
  if (present === undefined) {
    await must(commands, /^New server registered/, `add server ${server} ${words}`);
    if (/ check /.test(words)) await must(commands, silence, `enable health ${server}`);
    await must(commands, silence, `enable server ${server}`);
    return;
  }
  // A pod of a StatefulSet comes back under its name with another address.
  const [address = '', ...others] = words.split(' ');
  if (!present.endsWith(` ${others.join(' ')}`)) throw new NotAtRunTime(`${server} changes how it is spoken to`);
  const [ip, port] = address.split(/:(?=\d+$)/);
  if (!present.startsWith(`${address} `))
    await must(commands, /changed/, `set server ${server} addr ${ip} port ${port}`);
  if (leaving !== undefined) await must(commands, silence, `set server ${server} state ready`);
}

/** First and longest pause between two attempts to delete what still has connections. */
const retryMs = { first: 1000, longest: 60_000 };

/**
 * Servers that get nothing new and go when their last connection has ended. What comes back meanwhile, as a pod does
 * that is ready only now and then, is simply taken back.
 */
export class Retirement {
  readonly #commands: Commands;
  readonly #fresh = new Map<string, string>();
  readonly #waiting = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #deleting: Promise<void> = Promise.resolve();
  #pauseMs = retryMs.first;
  #paused = false;

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  /** Deletes nothing until {@link begin}: what is deleted while it is taken back would be missing. */
  async pause(): Promise<void> {
    clearTimeout(this.#timer);
    this.#paused = true;
    await this.#deleting;
  }

  add(server: string, words: string): void {
    this.#fresh.set(server, words);
  }

  /** The words of a server that was about to go. */
  takeBack(server: string): string | undefined {
    const words = this.#waiting.get(server);
    this.#waiting.delete(server);
    return words;
  }

  /** Sends nothing new to those that were added. */
  async begin(): Promise<void> {
    for (const [server, words] of this.#fresh) {
      await must(this.#commands, silence, `set server ${server} state maint`);
      this.#waiting.set(server, words);
    }
    if (this.#fresh.size > 0) this.#pauseMs = retryMs.first;
    this.#fresh.clear();
    this.#paused = false;
    this.#schedule();
  }

  stop(): void {
    this.#paused = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#waiting.size === 0 || this.#paused) return;
    this.#timer = setTimeout(() => {
      this.#deleting = this.#deleteFree();
    }, this.#pauseMs).unref();
    this.#pauseMs = Math.min(this.#pauseMs * 2, retryMs.longest);
  }

  async #deleteFree(): Promise<void> {
    for (const server of [...this.#waiting.keys()]) {
      if (this.#paused) return;
      const answer = await this.#commands.send(`del server ${server}`).catch(() => 'gone');
      if (/^Server deleted/.test(answer)) this.#waiting.delete(server);
    }
    this.#schedule();
  }
}

/** Certificates as lines of the list; one line holds a part of the names, since a line has a greatest length. */
export function certificateLines(files: ProxyFiles, certificates: Iterable<CertificatePlan>): string[] {
  return [...certificates].flatMap(({ name, hosts }) => {
    const path = certificatePath(files, name);
    const parts = Array.from({ length: Math.ceil(hosts.length / namesALine) }, (_, index) =>
      hosts.slice(index * namesALine, (index + 1) * namesALine),
    );
    return parts.length === 0 ? [path] : parts.map((part) => `${path} ${part.join(' ')}`);
  });
}

const namesALine = 50;

export async function changeCertificates(
  commands: Commands,
  files: ProxyFiles,
  held: ReadonlyMap<string, CertificatePlan>,
  wanted: ReadonlyMap<string, CertificatePlan>,
): Promise<void> {
  for (const certificate of wanted.values()) {
    const before = held.get(certificate.name);
    const path = certificatePath(files, certificate.name);
    if (!before) await must(commands, /^New empty certificate store/, `new ssl cert ${path}`);
    if (before?.pem !== certificate.pem) {
      await must(commands, /^Transaction (created|updated)/, `set ssl cert ${path}`, certificate.pem);
      await must(commands, /Success!/, `commit ssl cert ${path}`);
    }
    if (before && sameNames(before, certificate)) continue;
    if (before) await leaveList(commands, files, before);
    for (const line of certificateLines(files, [certificate])) {
      await must(commands, /Success!/, `add ssl crt-list ${certificateListPath(files, certificate.port)}`, line);
    }
  }
  for (const certificate of held.values()) {
    if (wanted.has(certificate.name)) continue;
    await leaveList(commands, files, certificate);
    await must(commands, /deleted/, `del ssl cert ${certificatePath(files, certificate.name)}`);
  }
}

function sameNames(a: CertificatePlan, b: CertificatePlan): boolean {
  return a.hosts.join(' ') === b.hosts.join(' ');
}

async function leaveList(commands: Commands, files: ProxyFiles, certificate: CertificatePlan): Promise<void> {
  const path = certificatePath(files, certificate.name);
  // Several lines of one certificate can only be told apart by their numbers.
  if (certificate.hosts.length > namesALine) throw new NotAtRunTime(`${path} stands in several lines`);
  await must(commands, /deleted/, `del ssl crt-list ${certificateListPath(files, certificate.port)} ${path}`);
}

export async function changeRoutes(
  commands: Commands,
  { routes }: ProxyFiles,
  held: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): Promise<void> {
  const added = [...wanted].filter(([key]) => !held.has(key)).map((entry) => formatMap([entry]));
  const answers = inPayloads(added).map((lines) => must(commands, silence, `add map ${routes}`, lines));
  for (const [key, before] of held) {
    const value = wanted.get(key);
    if (value === undefined) answers.push(must(commands, silence, `del map ${routes} ${word(key)}`));
    else if (value !== before) answers.push(must(commands, silence, `set map ${routes} ${word(key)} ${word(value)}`));
  }
  await Promise.all(answers);
}

/** A command and what follows it fill no more than a buffer of HAProxy, of 16 KiB. */
const payloadLength = 12_000;

/** Lines in as few payloads as possible: requests see all of a payload or nothing, and few Ingresses fill one. */
function inPayloads(lines: readonly string[]): string[] {
  const payloads: string[] = [];
  for (const line of lines) {
    const last = payloads.at(-1);
    if (last === undefined || last.length + line.length > payloadLength) payloads.push(line);
    else payloads[payloads.length - 1] = last + line;
  }
  return payloads;
}
