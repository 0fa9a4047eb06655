/** The parts of the library's own parser, type checker and evaluator that a macro is given. */
export interface Node {
  readonly op: string;
  readonly args: unknown;
}

export interface Type {
  readonly kind: string;
  readonly valueType: Type;
  readonly keyType: Type;
}

export interface Scope {
  forkWithVariable(name: string, type: Type): Scope;
  reuse(parent: Scope): Scope;
  setIterValue(value: unknown, evaluator: Evaluator): Scope;
}

export interface Checker {
  check(node: Node, scope: Scope): Type;
  getType(name: string): Type;
  createError(code: string, message: string, node: Node): Error;
}

export interface Evaluator {
  run(node: Node, scope: Scope): unknown;
  debugType(value: unknown): { fieldLazy(value: unknown, name: string, node: Node, evaluator: Evaluator): unknown };
}

/** A call of a macro, as it stands in an expression. */
export interface Call {
  readonly receiver: Node;
  readonly args: readonly Node[];
}
