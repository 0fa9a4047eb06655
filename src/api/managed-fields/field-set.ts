import { compareElements } from './element-order.ts';

/**
 * A set of field paths in the form in which Kubernetes writes it (FieldsV1): each key is a path element (`f:NAME` a
 * field, `k:{KEYS}` an item of a keyed list, `v:VALUE` one of a set), an empty node is a member, and `.` marks a member
 * that has members below it. The root stands for no path: an empty root is the empty set.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

type Draft = Record<string, FieldSet>;

export const emptySet: FieldSet = {};

/** The node of a member, or of a set that has it and all its members below. */
const SELF = '.';

export function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** Whether the node itself is in the set, not only what is below it. */
export function isMember(node: FieldSet): boolean {
  return SELF in node || isEmpty(node);
}

/** The elements below a node. */
export function elementsOf(node: FieldSet): string[] {
  const elements = Object.keys(node);
  return SELF in node ? elements.filter((element) => element !== SELF) : elements;
}

/** A node of the given children; `undefined` where neither it nor anything below is in the set. */
export function nodeOf(member: boolean, children: Draft): FieldSet | undefined {
  if (isEmpty(children)) return member ? emptySet : undefined;
  return member ? { [SELF]: emptySet, ...children } : children;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  return unionOfNodes(a, b);
}

function unionOfNodes(a: FieldSet, b: FieldSet): FieldSet {
  const children: Draft = {};
  for (const element of elementsOf(a)) children[element] = a[element] ?? emptySet;
  for (const element of elementsOf(b)) {
    const [mine, theirs] = [children[element], b[element] ?? emptySet];
    children[element] = mine ? unionOfNodes(mine, theirs) : theirs;
  }
  return nodeOf(isMember(a) || isMember(b), children) ?? emptySet;
}

/** What is in `a` and not in `b`. A member does not stand for what is below it. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a) || isEmpty(b)) return a;
  return differenceOfNodes(a, b) ?? emptySet;
}

function differenceOfNodes(a: FieldSet, b: FieldSet): FieldSet | undefined {
  const children: Draft = {};
  for (const element of elementsOf(a)) {
    const [mine, theirs] = [a[element] ?? emptySet, b[element]];
    const left = theirs ? differenceOfNodes(mine, theirs) : mine;
    if (left) children[element] = left;
  }
  return nodeOf(isMember(a) && !isMember(b), children);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a) || isEmpty(b)) return emptySet;
  return intersectionOfNodes(a, b) ?? emptySet;
}

function intersectionOfNodes(a: FieldSet, b: FieldSet): FieldSet | undefined {
  const children: Draft = {};
  for (const element of elementsOf(a)) {
    const theirs = b[element];
    const common = theirs && intersectionOfNodes(a[element] ?? emptySet, theirs);
    if (common) children[element] = common;
  }
  return nodeOf(isMember(a) && isMember(b), children);
}

export function equalSets(a: FieldSet, b: FieldSet): boolean {
  const elements = Object.keys(a);
  if (elements.length !== Object.keys(b).length) return false;
  return elements.every((element) => {
    const theirs = b[element];
    return theirs !== undefined && equalSets(a[element] ?? emptySet, theirs);
  });
}

/** The paths of all members, each as its elements: at each node its members, then what is in them, both in order. */
export function pathsOf(set: FieldSet): string[][] {
  const paths: string[][] = [];
  const visit = (node: FieldSet, path: readonly string[]) => {
    const elements = elementsOf(node).sort(compareElements);
    for (const element of elements) if (isMember(node[element] ?? emptySet)) paths.push([...path, element]);
    for (const element of elements) visit(node[element] ?? emptySet, [...path, element]);
  };
  visit(set, []);
  return paths;
}

/** `.spec.template.spec.containers[name="web"].image`, as Kubernetes names a path in its messages. */
export function formatPath(path: readonly string[]): string {
  return path.map(formatElement).join('');
}

function formatElement(element: string): string {
  const text = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${text}`;
    case 'k': {
      const keys = Object.entries(JSON.parse(text) as Record<string, unknown>);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
    }
    case 'v':
      return `[=${text}]`;
    default:
      return `[${text}]`;
  }
}
