import { connect, type Socket } from 'node:net';
import { KnitError } from '../../../base/errors.ts';

const prompt = '\n> ';
/** What HAProxy says while it has read a part of a payload. */
const askingForMore = /^(\+ ?)+/;
const timeoutMs = 10_000;

/** A connection to HAProxy's socket on which commands follow each other. */
export class Commands {
  readonly #socket: Socket;
  /** Settles when it ends, whoever ends it. */
  readonly closed: Promise<void>;
  #text = '';
  #waiting: { resolve(answer: string): void; reject(error: Error): void }[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#read(text));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { reject } of this.#waiting) reject(new KnitError('PROXY_GONE', 'HAProxy closed its socket'));
        this.#waiting = [];
        resolve();
      });
    });
    socket.on('error', () => undefined); // `close` follows and tells
  }

  /** Connects to the socket at `path`; throws where nobody listens. */
  static async open(path: string): Promise<Commands> {
    const socket = connect(path);
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const commands = new Commands(socket);
    await commands.send('prompt');
    return commands;
  }

  /** Sends a command and returns the answer. `payload` is what follows `<<`: no line of it is empty. */
  async send(command: string, payload?: string): Promise<string> {
    const text = payload === undefined ? `${command}\n` : `${command} <<\n${payload.trimEnd()}\n\n`;
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#socket.destroy(), timeoutMs);
      const settle = () => clearTimeout(timer);
      this.#waiting.push({
        resolve: (answer) => {
          settle();
          resolve(payload === undefined ? answer : answer.replace(askingForMore, ''));
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      this.#socket.write(text);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf(prompt); end >= 0; end = this.#text.indexOf(prompt)) {
      const answer = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + prompt.length);
      this.#waiting.shift()?.resolve(answer.trim());
    }
  }
}

/** One command on a connection of its own, as the master wants it. */
export async function ask(path: string, command: string): Promise<string> {
  const socket = connect(path);
  socket.setTimeout(timeoutMs, () => socket.destroy(new KnitError('TIMEOUT', `${command}: no answer`)));
  socket.end(`${command}\n`);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** A word of a command, whatever stands in it. */
export function word(text: string): string {
  return text.replaceAll(/[\\; <]/g, '\\$&');
}
