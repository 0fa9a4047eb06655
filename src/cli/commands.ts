import type { Command } from 'commander';
import { downCommand } from './down.ts';
import { upCommand } from './up.ts';

/** Every command, in the order in which `knit help` lists them. */
export const commands: readonly ((program: Command) => void)[] = [upCommand, downCommand];
