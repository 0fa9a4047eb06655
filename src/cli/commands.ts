import type { Command } from 'commander';
import { doctorCommand } from './doctor.ts';
import { downCommand } from './down.ts';
import { execCommand } from './exec.ts';
import { imageCommand } from './image.ts';
import { kubeconfigCommand, kubectlCommand } from './kubectl.ts';
import { nodeCommand } from './node.ts';
import { upCommand } from './up.ts';

/** Every command, in the order in which `knit help` lists them. */
export const commands: readonly ((program: Command) => void)[] = [
  upCommand,
  downCommand,
  kubectlCommand,
  kubeconfigCommand,
  execCommand,
  nodeCommand,
  imageCommand,
  doctorCommand,
];
