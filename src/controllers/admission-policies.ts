import { validatingAdmissionPolicies } from '../api/resource.ts';
import type { ValidatingAdmissionPolicy } from '../api/types.ts';
import { type Client, isNotFound } from '../client/client.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';
import { writeStatus } from './status.ts';

/** As Kubernetes': a policy about more kinds is checked for so many. */
const MAX_KINDS = 10;

/** Tells in the status of ValidatingAdmissionPolicies where an expression does not fit the objects that it is about. */
export function startAdmissionPolicyStatus({ client, informers, run }: ControllerContext): Controller {
  const policies = informers.informer(validatingAdmissionPolicies);

  const controller = run({
    name: 'validatingadmissionpolicy-status-controller',
    informers: [policies],
    async sync(name) {
      const policy = policies.get(name);
      const generation = policy?.metadata?.generation ?? 0;
      if (!policy || generation <= (policy.status?.observedGeneration ?? 0)) return;
      const expressionWarnings = await warningsOf(client, policy);
      const typeChecking = expressionWarnings.length > 0 ? { expressionWarnings } : {};
      const status = { ...policy.status, observedGeneration: generation, typeChecking };
      await writeStatus(client, validatingAdmissionPolicies, policy, status);
    },
  });

  policies.onChange((policy) => {
    if (policy) controller.enqueue(policy.metadata?.name ?? '');
  });
  return controller;
}

interface Checked {
  /** `apps/v1, Kind=Deployment` */
  readonly kind: string;
  check(expression: string): string | undefined;
}

async function warningsOf(
  client: Client,
  { spec }: ValidatingAdmissionPolicy,
): Promise<{ fieldRef: string; warning: string }[]> {
  const checked = await kindsOf(client, spec?.matchConstraints?.resourceRules ?? []);
  return (spec?.validations ?? []).flatMap((validation, index) =>
    (['expression', 'messageExpression'] as const).flatMap((field) => {
      const expression = validation[field];
      if (!expression) return [];
      const wrong = checked.flatMap(({ kind, check }) => {
        const error = check(expression);
        return error === undefined ? [] : [`${kind}: ${error}\n`];
      });
      return wrong.length === 0 ? [] : [{ fieldRef: `spec.validations[${index}].${field}`, warning: wrong.join('\n') }];
    }),
  );
}

type Rules = NonNullable<
  NonNullable<NonNullable<ValidatingAdmissionPolicy['spec']>['matchConstraints']>['resourceRules']
>;

/** The kinds that rules name one by one, each with the checker of its type; wildcards name none. */
async function kindsOf(client: Client, rules: Rules): Promise<Checked[]> {
  const plurals = new Map<string, Set<string>>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of rules) {
    if ([...apiGroups, ...apiVersions].some((each) => each.includes('*'))) continue;
    for (const groupVersion of apiGroups.flatMap((group) => apiVersions.map((version) => `${group}/${version}`))) {
      const named = plurals.get(groupVersion) ?? new Set();
      for (const plural of resources) if (!/[*/]/.test(plural)) named.add(plural);
      plurals.set(groupVersion, named);
    }
  }
  const versions = [...plurals].filter(([, named]) => named.size > 0).sort();
  const checked = await Promise.all(versions.map(([groupVersion, named]) => kindsIn(client, groupVersion, named)));
  return checked.flat().slice(0, MAX_KINDS);
}

/** Those of a version of a group (`/v1`, `apps/v1`) that is served; none of another. */
async function kindsIn(client: Client, groupVersion: string, plurals: ReadonlySet<string>): Promise<Checked[]> {
  const [group = '', version = ''] = groupVersion.split('/');
  const path = group === '' ? `api/${version}` : `apis/${groupVersion}`;
  const list = await client.raw('GET', `/${path}`).catch(noneWhereNotFound);
  if (list === undefined) return [];
  const { resources } = JSON.parse(list) as { resources: readonly { readonly name: string; readonly kind: string }[] };
  const kinds = resources.flatMap(({ name, kind }) => (plurals.has(name) ? [kind] : [])).sort();
  if (kinds.length === 0) return [];
  const [{ schemaOfKind }, { typeChecker }, document] = await Promise.all([
    import('../api/openapi/resolved.ts'),
    import('../api/cel/type-check.ts'),
    client.raw('GET', `/openapi/v3/${path}`),
  ]);
  return kinds.flatMap((kind) => {
    const schema = schemaOfKind(JSON.parse(document), group, version, kind);
    return schema
      ? [{ kind: `${group === '' ? version : groupVersion}, Kind=${kind}`, check: typeChecker(schema) }]
      : [];
  });
}

function noneWhereNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}
