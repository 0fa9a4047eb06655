import { KnitError } from '../base/errors.ts';
import { readCA } from './containerd.ts';
import { examine } from './doctor.ts';
import type { ClusterSpec } from './spec.ts';

/** Refuses, before anything is made, a machine on which no cluster starts: `MACHINE_UNFIT`, with every mend. */
export async function preflight(spec: ClusterSpec | undefined): Promise<void> {
  for (const [host, path] of Object.entries(spec?.registries.cas ?? {})) readCA(host, path);
  const { encryptionConfiguration, auditPolicy } = spec?.api ?? {};
  if (encryptionConfiguration) {
    const { readEncryptionConfiguration } = await import('../apiserver/encryption/configuration.ts');
    readEncryptionConfiguration(encryptionConfiguration);
  }
  if (auditPolicy) (await import('../apiserver/audit/policy.ts')).readAuditPolicy(auditPolicy);
  const checks = await examine({ uplink: spec?.network.uplink, proxyMode: spec?.proxy.mode });
  const broken = checks.filter((check) => check.state === 'broken');
  if (broken.length === 0) return;
  const lines = broken.map((check) => `${check.name}: ${check.found}`);
  const mends = broken.map((check) => check.mend ?? 'run: knit doctor');
  throw new KnitError('MACHINE_UNFIT', lines.join('; '), [...new Set(mends)].join('; '));
}
