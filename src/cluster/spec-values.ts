import { familyOf, type IPFamily } from '../base/cidr.ts';
import type { ClusterSpec, NodeSpec } from './spec.ts';

// What a specification means, apart from how it is checked: servers and agents need no library for that.

/** Names and labels of the nodes, whether they were listed or only counted. */
export function nodeSpecs(spec: ClusterSpec): NodeSpec[] {
  if (typeof spec.nodes !== 'number') return spec.nodes;
  return Array.from({ length: spec.nodes }, (_, index) => ({ name: `node-${index + 1}`, labels: {} }));
}

/** The network of one family that a field asks for. */
export function askedNetwork(asked: string | undefined, family: IPFamily): string | undefined {
  return asked?.split(',').find((network) => familyOf(network) === family);
}
