import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../base/duration.ts';
import type { ProxyMode } from '../proxy/index.ts';

/** `--name`, which every command about a cluster has. */
export function nameOption(): Option {
  return new Option('--name <cluster>', 'which cluster').default('knit').env('KNIT_NAME').argParser(parseName);
}

export function outputOption(...forms: string[]): Option {
  return new Option('-o, --output <form>', 'how to print').choices(['text', 'json', ...forms]).default('text');
}

function parseName(value: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?$/.test(value)) return value;
  throw new InvalidArgumentError(
    "Up to 20 lower-case letters, digits and '-', beginning and ending with a letter or digit.",
  );
}

/** Whole numbers from `least` to `most`. */
export function parseCount(least: number, most: number): (value: string) => number {
  return (value) => {
    const count = Number(value);
    if (Number.isInteger(count) && count >= least && count <= most) return count;
    throw new InvalidArgumentError(`A whole number from ${least} to ${most}.`);
  };
}

/** Durations above zero as Go writes them, to ms. */
export function parseWait(value: string): number {
  const ms = parseDuration(value);
  if (ms) return ms;
  throw new InvalidArgumentError('A duration: 30s, 5m, 1m30s.');
}

/** `--proxy-mode`, of commands that know how Services stand in a node's kernel. */
export function proxyModeOption(description: string): Option {
  return new Option('--proxy-mode <mode>', description).choices(['nftables', 'iptables'] satisfies ProxyMode[]);
}
