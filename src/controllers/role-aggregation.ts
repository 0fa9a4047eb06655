import { isDeepStrictEqual } from 'node:util';
import { clusterRoles } from '../api/resource.ts';
import type { ClusterRole } from '../api/types.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';
import { matchesSelector } from './labels.ts';

/** Fills ClusterRoles that are made of others (`aggregationRule`). */
export function startRoleAggregation({ client, informers, run }: ControllerContext): Controller {
  const roles = informers.informer(clusterRoles);

  const controller = run({
    name: 'clusterrole-aggregation-controller',
    informers: [roles],
    async sync(name) {
      const role = roles.get(name);
      if (!role || !isAggregate(role) || role.metadata?.deletionTimestamp) return;
      const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
      const parts = roles
        .list()
        .filter((each) => each !== role && selectors.some((one) => matchesSelector(one, each.metadata?.labels)))
        .sort((a, b) => (a.metadata?.name ?? '').localeCompare(b.metadata?.name ?? ''));
      const rules: NonNullable<ClusterRole['rules']> = [];
      for (const rule of parts.flatMap((part) => part.rules ?? [])) {
        if (!rules.some((known) => isDeepStrictEqual(known, rule))) rules.push(rule);
      }
      if (!isDeepStrictEqual(role.rules ?? [], rules)) await client.update(clusterRoles, { ...role, rules });
    },
  });

  roles.onChange(() => {
    for (const role of roles.list()) if (isAggregate(role)) controller.enqueue(role.metadata?.name ?? '');
  });
  return controller;
}

const isAggregate = ({ aggregationRule }: ClusterRole): boolean => aggregationRule !== undefined;
