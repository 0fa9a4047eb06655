import type { Command } from 'commander';
import { balanceCommand } from './balance.ts';
import { clientCommand } from './client.ts';
import { completionCommand } from './completion.ts';
import { dnsCommand } from './dns.ts';
import { doctorCommand } from './doctor.ts';
import { downCommand } from './down.ts';
import { execCommand } from './exec.ts';
import { explainCommand } from './explain.ts';
import { exportCommand } from './export.ts';
import { imageCommand } from './image.ts';
import { kubeconfigCommand, kubectlCommand } from './kubectl.ts';
import { logsCommand } from './logs.ts';
import { nodeCommand } from './node.ts';
import { proxyCommand } from './proxy.ts';
import { servicesCommand } from './services.ts';
import { statusCommand } from './status.ts';
import { tourCommand } from './tour.ts';
import { traceCommand } from './trace.ts';
import { upCommand } from './up.ts';
import { versionCommand } from './version.ts';

/** Every command, in the order in which `knit help` lists them. */
export const commands: readonly ((program: Command) => void)[] = [
  upCommand,
  downCommand,
  statusCommand,
  kubectlCommand,
  kubeconfigCommand,
  execCommand,
  tourCommand,
  traceCommand,
  explainCommand,
  balanceCommand,
  servicesCommand,
  nodeCommand,
  clientCommand,
  imageCommand,
  proxyCommand,
  doctorCommand,
  logsCommand,
  exportCommand,
  dnsCommand,
  versionCommand,
  completionCommand,
];
