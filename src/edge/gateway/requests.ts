import type { Choice, HostPlan, PathPlan, PortPlan, RequestCondition } from '../ingress/plan.ts';
import { covers } from './hostnames.ts';

/** What of a request decides where it goes. */
export interface PlannedRequest {
  /** Lower case, without a port; of TLS that is passed on: its server name. */
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** The choice that a port has for a request, and the host and path that it was found by. */
export interface ChosenRoute {
  readonly host: string;
  readonly path: Pick<PathPlan, 'match' | 'path'>;
  readonly choice: Choice;
}

/** Asks a port's plan as the proxy does. Undefined: the request is answered with 404. */
export function chooseRoute({ hosts }: Pick<PortPlan, 'hosts'>, request: PlannedRequest): ChosenRoute | undefined {
  const host = hosts.find((each) => covers(each.host, request.host));
  const path = host && longestPath(host, request.path);
  const choice = path?.choices.find(({ when }) => when.every((each) => holds(each, request)));
  return host && path && choice && { host: host.host, path, choice };
}

function longestPath({ paths }: HostPlan, asked: string): PathPlan | undefined {
  const possible = paths.filter(({ match, path }) =>
    match === 'exact' ? asked === path : path === '/' || asked === path || asked.startsWith(`${path}/`),
  );
  const rank = ({ match, path }: PathPlan) => path.length * 2 + Number(match === 'exact');
  return possible.toSorted((a, b) => rank(b) - rank(a))[0];
}

function holds(condition: RequestCondition, { method, path, query, headers }: PlannedRequest): boolean {
  const value = {
    method: () => method,
    path: () => path,
    header: (name: string) => headers.get(name.toLowerCase()),
    query: (name: string) => query.get(name) ?? undefined,
  }[condition.on]('name' in condition ? condition.name : '');
  if (value === undefined) return false;
  return 'regex' in condition ? new RegExp(`^(?:${condition.regex})$`, 'u').test(value) : value === condition.value;
}
