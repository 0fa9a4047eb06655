import type { User } from '../request.ts';
import type { Attributes, Authorizer, Decision, ResourceRule } from './authorizer.ts';

const everything: readonly ResourceRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/** `system:masters` may do all, whatever the roles say. */
export class MastersAuthorizer implements Authorizer {
  authorize({ user }: Attributes): Decision {
    return { allowed: user.groups.includes('system:masters'), reason: '' };
  }

  rulesFor(user: User): readonly ResourceRule[] {
    return user.groups.includes('system:masters') ? everything : [];
  }
}

/** Asks several in order; the first that allows decides. */
export class UnionAuthorizer implements Authorizer {
  readonly #authorizers: readonly Authorizer[];

  constructor(authorizers: readonly Authorizer[]) {
    this.#authorizers = authorizers;
  }

  authorize(attributes: Attributes): Decision {
    for (const authorizer of this.#authorizers) {
      const decision = authorizer.authorize(attributes);
      if (decision.allowed) return decision;
    }
    return { allowed: false, reason: '' };
  }

  rulesFor(user: User, namespace: string): readonly ResourceRule[] {
    return this.#authorizers.flatMap((authorizer) => authorizer.rulesFor(user, namespace));
  }
}
