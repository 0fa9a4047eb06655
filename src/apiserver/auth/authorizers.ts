import type { User } from '../request.ts';
import type { Attributes, Authorizer, Decision, ResourceRule } from './authorizer.ts';

/** What `*` everywhere grants. */
export const everything: readonly ResourceRule[] = [
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
    const reasons: string[] = [];
    for (const authorizer of this.#authorizers) {
      const decision = authorizer.authorize(attributes);
      if (decision.allowed) return decision;
      if (decision.reason !== '') reasons.push(decision.reason);
    }
    return { allowed: false, reason: reasons.join('\n') };
  }

  rulesFor(user: User, namespace: string): readonly ResourceRule[] {
    return this.#authorizers.flatMap((authorizer) => authorizer.rulesFor(user, namespace));
  }

  unresolved(user: User): string | undefined {
    const reasons = this.#authorizers.flatMap((authorizer) => authorizer.unresolved?.(user) ?? []);
    return reasons.length > 0 ? reasons.join('\n') : undefined;
  }
}
