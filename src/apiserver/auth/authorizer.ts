import type { User } from '../request.ts';

/** What somebody wants to do: about objects, or about another path. */
export interface Attributes {
  readonly user: User;
  readonly verb: string;
  readonly resource?: {
    readonly group: string;
    readonly version: string;
    readonly plural: string;
    readonly subresource: string;
    readonly namespace: string;
    readonly name: string;
    /** What a field selector wants fields to be: `spec.nodeName` → `node-1`. */
    readonly selected?: Readonly<Record<string, string>>;
  };
  /** Where no resource is asked for. */
  readonly path?: string;
}

export interface ResourceRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

export interface Decision {
  readonly allowed: boolean;
  /** Why, for access reviews, the audit of a decision and who was refused. */
  readonly reason: string;
}

export interface Authorizer {
  authorize(attributes: Attributes): Decision;
  /** All that a user may do in a namespace, as far as rules can say it. */
  rulesFor(user: User, namespace: string): readonly ResourceRule[];
  /** Why {@link rulesFor} does not tell all; left out or `undefined` where it does. */
  unresolved?(user: User): string | undefined;
}
