import type * as k8s from '@kubernetes/client-node';
import type { LabelSelector, Labels, Node, Wire } from '../api/types.ts';

type NodeSelectorTerm = Wire<k8s.V1NodeSelectorTerm>;
type NodeSelectorRequirement = Wire<k8s.V1NodeSelectorRequirement>;

export type LabelTest = (labels: Labels) => boolean;
export type NodeTest = (node: Node) => boolean;

const nothing = (): boolean => false;
const everything = (): boolean => true;

/** A label selector as a function, made once and asked often. No selector matches nothing, an empty one everything. */
export function labelTest(selector: LabelSelector | undefined): LabelTest {
  if (!selector) return nothing;
  const tests: LabelTest[] = Object.entries(selector.matchLabels ?? {}).map(
    ([key, value]) =>
      (labels) =>
        labels[key] === value,
  );
  for (const { key, operator, values } of selector.matchExpressions ?? [])
    tests.push(requirementTest(key, operator, values ?? []));
  return every(tests);
}

/** Any of the terms; a term without requirements matches no node. */
export function nodeSelectorTest(terms: readonly NodeSelectorTerm[]): NodeTest {
  const tests = terms.map(nodeTermTest);
  return (node) => tests.some((test) => test(node));
}

export function nodeTermTest(term: NodeSelectorTerm): NodeTest {
  const labels = every((term.matchExpressions ?? []).map(nodeRequirementTest));
  // `metadata.name` is the only field there is.
  const fields = every((term.matchFields ?? []).map(nodeRequirementTest));
  if (!term.matchExpressions?.length && !term.matchFields?.length) return nothing;
  return ({ metadata }) => labels(metadata?.labels ?? {}) && fields({ 'metadata.name': metadata?.name ?? '' });
}

function nodeRequirementTest({ key, operator, values }: NodeSelectorRequirement): LabelTest {
  return requirementTest(key, operator, values ?? []);
}

function requirementTest(key: string, operator: string, values: readonly string[]): LabelTest {
  switch (operator) {
    case 'In':
      return (labels) => labels[key] !== undefined && values.includes(labels[key]);
    case 'NotIn':
      return (labels) => labels[key] === undefined || !values.includes(labels[key]);
    case 'Exists':
      return (labels) => labels[key] !== undefined;
    case 'DoesNotExist':
      return (labels) => labels[key] === undefined;
    case 'Gt':
      return (labels) => compareWhole(labels[key], values[0], (a, b) => a > b);
    case 'Lt':
      return (labels) => compareWhole(labels[key], values[0], (a, b) => a < b);
    default:
      return nothing;
  }
}

function compareWhole(a: string | undefined, b: string | undefined, test: (a: bigint, b: bigint) => boolean): boolean {
  const whole = /^[+-]?\d+$/;
  return a !== undefined && b !== undefined && whole.test(a) && whole.test(b) && test(BigInt(a), BigInt(b));
}

function every(tests: readonly LabelTest[]): LabelTest {
  if (tests.length === 0) return everything;
  const [only] = tests;
  if (only && tests.length === 1) return only;
  return (labels) => {
    for (const test of tests) if (!test(labels)) return false;
    return true;
  };
}
