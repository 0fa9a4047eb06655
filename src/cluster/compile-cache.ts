import { flushCompileCache } from 'node:module';

/** When a boot is over. */
const delayMs = 5000;

/** Keeps what this program compiled for its next start: Node.js does so only at an ordinary end, and a signal is none. */
export function keepCompiledCode(): void {
  setTimeout(flushCompileCache, delayMs).unref();
}
