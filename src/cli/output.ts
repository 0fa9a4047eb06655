import { styleText } from 'node:util';
import yoctoSpinner from 'yocto-spinner';
import { KnitError, messageOf } from '../base/errors.ts';
import { percent } from '../base/percent.ts';
import { type Progress, silent } from '../cluster/progress.ts';
import { InterruptedError } from './interrupt.ts';

export const bold = (text: string): string => styleText('bold', text);
export const dim = (text: string): string => styleText('dim', text);
export const green = (text: string): string => styleText('green', text);
export const red = (text: string): string => styleText('red', text);
export const yellow = (text: string): string => styleText('yellow', text);

const barWidth = 20;

/** A share of 1 as a bar: ` 33 % ███████` */
export function bar(share: number): string {
  return `${percent(share).padStart(6)} ${'█'.repeat(Math.round(share * barWidth))}`;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

/** Says what went wrong and what to do, and ends with exit code 1. */
export function fail(thrown: unknown, asJson: boolean): never {
  const error = withoutRoot(thrown) ?? thrown;
  const { code, hint } = error instanceof KnitError ? error : { code: 'UNEXPECTED', hint: undefined };
  const message = messageOf(error);
  if (asJson) process.stdout.write(`${JSON.stringify({ error: { code, message, hint } }, undefined, 2)}\n`);
  else process.stderr.write(`${red('knit:')} ${message}\n${hint ? `  ${dim('→')} ${hint}\n` : ''}`);
  if (code === 'UNEXPECTED' && process.env.KNIT_DEBUG && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
  process.exit(error instanceof InterruptedError ? error.exitCode : 1);
}

/** What was refused to somebody who is not root is told as that. */
function withoutRoot(thrown: unknown): KnitError | undefined {
  const { code } = thrown as NodeJS.ErrnoException;
  if (process.getuid?.() === 0 || (code !== 'EACCES' && code !== 'EPERM')) return undefined;
  return new KnitError('NOT_ROOT', `this needs root (${messageOf(thrown)})`, 'run it with sudo');
}

/** Steps on standard error: a spinner on a terminal, plain lines elsewhere, nothing for programs. */
export function progressFor(form: string): Progress {
  if (form === 'json') return silent;
  return process.stderr.isTTY ? spinning : plain;
}

const plain: Progress = {
  async step(title, work) {
    const began = performance.now();
    try {
      const result = await work();
      process.stderr.write(`${green('✓')} ${title} ${dim(since(began))}\n`);
      return result;
    } catch (error) {
      process.stderr.write(`${red('✗')} ${title} ${dim(since(began))}\n`);
      throw error;
    }
  },
  note: (text) => void process.stderr.write(`  ${text}\n`),
};

const spinning: Progress = {
  async step(title, work) {
    const spinner = yoctoSpinner({ text: title }).start();
    const began = performance.now();
    try {
      const result = await work();
      spinner.success(`${title} ${dim(since(began))}`);
      return result;
    } catch (error) {
      spinner.error(`${title} ${dim(since(began))}`);
      throw error;
    }
  },
  note: plain.note,
};

/** `0.21 s` */
function since(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(2)} s`;
}

/** Columns two spaces apart, as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (all, row) => row.map((cell, column) => Math.max(all[column] ?? 0, plainLength(cell))),
    [],
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell + ' '.repeat(widths[column]! - plainLength(cell)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function plainLength(text: string): number {
  return text.replace(/\u001b\[[0-9;]*m/g, '').length;
}
