import { catalogue, type Fault } from './catalogue.ts';

const groups: readonly (readonly [string, RegExp])[] = [
  ['Services', /^SVC_/],
  ['Coming from outside', /^(LB_|NODE_PORT_|EXTERNAL_)/],
  ['Pods', /^POD_/],
  ['NetworkPolicies', /^NET_POLICY_/],
  ['Names', /^DNS_/],
  ['Nodes', /^NODE_(?!PORT_)/],
  ['Ingresses', /^INGRESS_/],
  ['Gateways', /^GATEWAY_/],
  ['Routes of Gateways', /^ROUTE_/],
  ['The kernel of a node', /^(KERNEL_|AGENT_)/],
];

/** docs/faults.md: every fault that `knit explain` names, with its signs and its mend. */
export function faultsDocument(): string {
  const faults: [string, Fault][] = Object.entries(catalogue);
  const sections = groups.flatMap(([title, codes]) => [
    `## ${title}`,
    '',
    ...faults.filter(([code]) => codes.test(code)).flatMap(([code, fault]) => [...section(code, fault), '']),
  ]);
  return `${[...head, ...sections].join('\n').trimEnd()}\n`;
}

const head = [
  '# Faults that knit explain names',
  '',
  'Each is made for real in a test on a live cluster (`test/explain/`), which checks that it is named as the root and',
  'nothing else is. What only follows from another fault is shown under it. This page is written by `scripts/faults.ts`.',
  '',
];

function section(code: string, { title, signs, mend }: Fault): string[] {
  return [`### ${code}`, '', `${title}.`, '', `- Signs: ${signs}`, `- Mend: ${mend}`];
}
