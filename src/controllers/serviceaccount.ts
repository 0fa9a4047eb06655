import { namespaces, serviceAccounts } from '../api/resource.ts';
import { isAlreadyExists } from '../client/client.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';

/** Every namespace has a service account `default`, that pods use which name none. */
export function startServiceAccountController({ client, informers, run }: ControllerContext): Controller {
  const allNamespaces = informers.informer(namespaces);
  // One object a namespace, and none of the others are of interest.
  const defaults = informers.informer(serviceAccounts, { fieldSelector: 'metadata.name=default' });

  const controller = run({
    name: 'serviceaccount-controller',
    informers: [allNamespaces, defaults],
    async sync(name) {
      const namespace = allNamespaces.get(name);
      if (!namespace || namespace.metadata?.deletionTimestamp || defaults.get(`${name}/default`)) return;
      try {
        await client.create(serviceAccounts, { metadata: { name: 'default', namespace: name } });
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
    },
  });

  allNamespaces.onChange((namespace) => controller.enqueue(namespace?.metadata?.name ?? ''));
  defaults.onChange((account, old) => {
    if (!account) controller.enqueue(old?.metadata?.namespace ?? '');
  });
  return controller;
}
