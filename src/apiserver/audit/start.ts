import type { Log } from '../../base/log.ts';
import { Audit, type AuditOptions } from './audit.ts';
import { LogFile } from './log-file.ts';
import { readAuditPolicy } from './policy.ts';

/**
 * Begins to tell of requests as the policy wants it.
 *
 * @throws KnitError `AUDIT_POLICY_INVALID`
 */
export function startAudit(options: AuditOptions, log: Log): Audit & { close(): Promise<void> } {
  const extentOf = readAuditPolicy(options.policy);
  const file = new LogFile(options.log, log);
  const audit = new Audit(extentOf, (event) => file.write(event));
  return Object.assign(audit, { close: () => file.close() });
}
