import type { Environment } from '@marcbachmann/cel-js';
import { addFunctions } from './environment.ts';

/** What an expression asks an authorizer: about objects, or about another path. */
export interface Question {
  readonly verb: string;
  /** Whom it is about; left out: whoever made the request. */
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  readonly path?: string;
  readonly resource?: ResourceQuestion;
}

export interface ResourceQuestion {
  readonly group: string;
  readonly plural: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly fieldSelector: string;
  readonly labelSelector: string;
}

export interface Verdict {
  readonly allowed: boolean;
  readonly reason: string;
}

export type Ask = (question: Question) => Verdict;

const anyResource = {
  group: '',
  plural: '',
  subresource: '',
  namespace: '',
  name: '',
  fieldSelector: '',
  labelSelector: '',
};

/** CEL tells types by their classes. */
class Check {
  readonly ask: Ask;
  /** A path, or an API group. */
  readonly of: string;
  constructor(ask: Ask, of: string) {
    this.ask = ask;
    this.of = of;
  }
}
class PathCheck extends Check {}
class GroupCheck extends Check {}

class ResourceCheck {
  readonly ask: Ask;
  readonly resource: ResourceQuestion;
  constructor(ask: Ask, resource: ResourceQuestion) {
    this.ask = ask;
    this.resource = resource;
  }
  with(change: Partial<ResourceQuestion>): ResourceCheck {
    return new ResourceCheck(this.ask, { ...this.resource, ...change });
  }
}

class Decision {
  readonly verdict: Verdict;
  constructor(verdict: Verdict) {
    this.verdict = verdict;
  }
}

/** The variable `authorizer` of admission: asks what the request's user, or a service account, may do. */
export class CelAuthorizer {
  readonly ask: Ask;
  readonly requestResource: ResourceCheck;

  /** `requested`: what the request is about. */
  constructor(ask: Ask, requested: Partial<ResourceQuestion>) {
    this.ask = ask;
    this.requestResource = new ResourceCheck(ask, { ...anyResource, ...requested });
  }
}

const of = (name: string) => `kubernetes.authorization.${name}`;
export const AUTHORIZER = of('Authorizer');

/** Kubernetes' library of authorization. */
export function addAuthorizer(env: Environment): void {
  const [path, group, resource, decision] = [of('PathCheck'), of('GroupCheck'), of('ResourceCheck'), of('Decision')];
  env.registerType(path, PathCheck);
  env.registerType(group, GroupCheck);
  env.registerType(resource, ResourceCheck);
  env.registerType(decision, Decision);
  env.registerType(AUTHORIZER, { ctor: CelAuthorizer, fields: { requestResource: resource } });
  const narrowed = (part: keyof ResourceQuestion) => ({
    [`${resource}.${part}(string): ${resource}`]: (check: ResourceCheck, value: string) =>
      check.with({ [part]: value }),
  });
  addFunctions(env, {
    [`${AUTHORIZER}.path(string): ${path}`]: ({ ask }: CelAuthorizer, value: string) => new PathCheck(ask, value),
    [`${AUTHORIZER}.group(string): ${group}`]: ({ ask }: CelAuthorizer, value: string) => new GroupCheck(ask, value),
    [`${AUTHORIZER}.serviceAccount(string, string): ${AUTHORIZER}`]: (
      { ask, requestResource }: CelAuthorizer,
      namespace: string,
      name: string,
    ) => {
      const about: Ask = (question) => ask({ ...question, serviceAccount: { namespace, name } });
      return new CelAuthorizer(about, requestResource.resource);
    },
    [`${path}.check(string): ${decision}`]: (check: PathCheck, verb: string) =>
      new Decision(check.ask({ verb, path: check.of })),
    [`${group}.resource(string): ${resource}`]: (check: GroupCheck, plural: string) =>
      new ResourceCheck(check.ask, { ...anyResource, group: check.of, plural }),
    ...narrowed('subresource'),
    ...narrowed('namespace'),
    ...narrowed('name'),
    ...narrowed('fieldSelector'),
    ...narrowed('labelSelector'),
    [`${resource}.check(string): ${decision}`]: (check: ResourceCheck, verb: string) =>
      new Decision(check.ask({ verb, resource: check.resource })),
    [`${decision}.allowed(): bool`]: ({ verdict }: Decision) => verdict.allowed,
    [`${decision}.reason(): string`]: ({ verdict }: Decision) => verdict.reason,
    // Ours answer always.
    [`${decision}.errored(): bool`]: () => false,
    [`${decision}.error(): string`]: () => '',
  });
}
