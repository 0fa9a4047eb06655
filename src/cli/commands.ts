import type { Command } from 'commander';

type AddTo = (program: Command) => void;

/** Every command by its name, in the order in which `knit help` lists them. Each is loaded when it is asked for. */
export const commands: Readonly<Record<string, () => Promise<AddTo>>> = {
  up: async () => (await import('./up.ts')).upCommand,
  down: async () => (await import('./down.ts')).downCommand,
  status: async () => (await import('./status.ts')).statusCommand,
  kubectl: async () => (await import('./kubectl.ts')).kubectlCommand,
  kubeconfig: async () => (await import('./kubectl.ts')).kubeconfigCommand,
  exec: async () => (await import('./exec.ts')).execCommand,
  tour: async () => (await import('./tour.ts')).tourCommand,
  trace: async () => (await import('./trace.ts')).traceCommand,
  explain: async () => (await import('./explain.ts')).explainCommand,
  balance: async () => (await import('./balance.ts')).balanceCommand,
  services: async () => (await import('./services.ts')).servicesCommand,
  node: async () => (await import('./node.ts')).nodeCommand,
  client: async () => (await import('./client.ts')).clientCommand,
  image: async () => (await import('./image.ts')).imageCommand,
  proxy: async () => (await import('./proxy.ts')).proxyCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
  logs: async () => (await import('./logs.ts')).logsCommand,
  export: async () => (await import('./export.ts')).exportCommand,
  dns: async () => (await import('./dns.ts')).dnsCommand,
  version: async () => (await import('./version.ts')).versionCommand,
  completion: async () => (await import('./completion.ts')).completionCommand,
};
