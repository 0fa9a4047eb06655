import { messageOf } from './errors.ts';

export type LogFields = Readonly<Record<string, unknown>>;

/** A component's log: one line an entry on standard error, `TIME LEVEL component message key=value …`. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log under a longer component name: `server/scheduler`. */
  child(component: string): Log;
}

export function createLog(component: string, write: (line: string) => void = writeToStderr): Log {
  const entry = (level: string) => (message: string, fields?: LogFields) =>
    write(`${new Date().toISOString()} ${level} ${component} ${message}${formatFields(fields)}\n`);
  return {
    info: entry('INFO'),
    warn: entry('WARN'),
    error: entry('ERROR'),
    child: (name) => createLog(`${component}/${name}`, write),
  };
}

function writeToStderr(line: string): void {
  process.stderr.write(line);
}

function formatFields(fields: LogFields | undefined): string {
  if (!fields) return '';
  return Object.entries(fields)
    .map(([key, value]) => ` ${key}=${formatValue(value)}`)
    .join('');
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(messageOf(value));
  if (typeof value === 'string') return /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? 'undefined';
}
