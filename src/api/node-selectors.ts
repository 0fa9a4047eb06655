import type * as k8s from '@kubernetes/client-node';
import { KnitError } from '../base/errors.ts';
import { compareIntegers } from './integers.ts';
import type { Node, Wire } from './types.ts';

type NodeSelector = Wire<k8s.V1NodeSelector>;
type NodeSelectorTerm = Wire<k8s.V1NodeSelectorTerm>;
type NodeSelectorRequirement = Wire<k8s.V1NodeSelectorRequirement>;

export type NodeMatcher = (node: Node) => boolean;

/**
 * Compiles a node selector: one of its terms must match, and in a term all of its expressions. A term without any
 * matches no node, and so does a selector without terms.
 *
 * @throws KnitError `BAD_NODE_SELECTOR` for an unknown operator or field
 */
export function compileNodeSelector(selector: NodeSelector | { nodeSelectorTerms: NodeSelectorTerm[] }): NodeMatcher {
  const terms = selector.nodeSelectorTerms.map(compileNodeSelectorTerm);
  return (node) => terms.some((matches) => matches(node));
}

/** One term, as preferred scheduling weighs it. */
export function compileNodeSelectorTerm(term: NodeSelectorTerm): NodeMatcher {
  const tests = [
    ...(term.matchExpressions ?? []).map((requirement) => compileRequirement(requirement, labelOf(requirement.key))),
    ...(term.matchFields ?? []).map((requirement) => compileRequirement(requirement, fieldOf(requirement.key))),
  ];
  return tests.length === 0 ? () => false : (node) => tests.every((test) => test(node));
}

const labelOf = (key: string) => (node: Node) => node.metadata?.labels?.[key];

function fieldOf(key: string): (node: Node) => string | undefined {
  if (key === 'metadata.name') return (node) => node.metadata?.name;
  throw refused(`${JSON.stringify(key)} is not a valid field label of a node`, 'use metadata.name');
}

function compileRequirement(
  { key, operator, values = [] }: NodeSelectorRequirement,
  read: (node: Node) => string | undefined,
): NodeMatcher {
  const wanted = new Set(values);
  switch (operator) {
    case 'In':
      return (node) => wanted.has(read(node) ?? missing);
    case 'NotIn':
      return (node) => !wanted.has(read(node) ?? missing);
    case 'Exists':
      return (node) => read(node) !== undefined;
    case 'DoesNotExist':
      return (node) => read(node) === undefined;
    case 'Gt':
      return (node) => compareIntegers(read(node), values[0]) > 0;
    case 'Lt':
      return (node) => compareIntegers(read(node), values[0]) < 0;
    default:
      throw refused(
        `${JSON.stringify(operator)} is not a valid node selector operator (key ${key})`,
        'use In, NotIn, Exists, DoesNotExist, Gt or Lt',
      );
  }
}

/** No label has this value: it is not allowed in one. */
const missing = '\0';

const refused = (message: string, hint: string): KnitError => new KnitError('BAD_NODE_SELECTOR', message, hint);
