import type { Node } from '../../api/types.ts';
import type { Finding, Report } from './model.ts';

/** Whether a node runs and can have pods. */
export function checkNode(report: Report, node: Node, partial = false): Finding | undefined {
  const name = node.metadata?.name ?? '';
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') {
    const evidence = [`Ready is ${ready?.status ?? 'not told'}: ${ready?.message ?? ''}`];
    return report.fail('node', 'NODE_NOT_READY', `node ${name}`, `${name} is not ready`, { evidence, partial });
  }
  if (!node.spec?.podCIDR && !node.spec?.podCIDRs?.length)
    return report.fail('node', 'NODE_NO_POD_CIDR', `node ${name}`, `${name} has no pod CIDR`, { partial });
  return undefined;
}
