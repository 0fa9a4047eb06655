import { configMaps, namespaces } from '../api/resource.ts';
import { isAlreadyExists } from '../client/client.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';

const NAME = 'kube-root-ca.crt';
const DESCRIPTION =
  'Holds the CA by which pods know the API server; it is mounted into every pod beside its token and kept by knit.';

/** Every namespace has a config map with the CA by which its pods know the API server. */
export function startRootCAPublisher({ client, informers, run, rootCA }: ControllerContext): Controller {
  const allNamespaces = informers.informer(namespaces);
  const published = informers.informer(configMaps, { fieldSelector: `metadata.name=${NAME}` });
  const data = { 'ca.crt': rootCA };

  const controller = run({
    name: 'root-ca-certificate-publisher',
    informers: [allNamespaces, published],
    async sync(name) {
      const namespace = allNamespaces.get(name);
      if (!namespace || namespace.metadata?.deletionTimestamp) return;
      const present = published.get(`${name}/${NAME}`);
      if (present) {
        if (present.data?.['ca.crt'] !== rootCA) await client.update(configMaps, { ...present, data });
        return;
      }
      const annotations = { 'kubernetes.io/description': DESCRIPTION };
      try {
        await client.create(configMaps, { metadata: { name: NAME, namespace: name, annotations }, data });
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
    },
  });

  allNamespaces.onChange((namespace) => controller.enqueue(namespace?.metadata?.name ?? ''));
  published.onChange((map, old) => controller.enqueue((map ?? old)?.metadata?.namespace ?? ''));
  return controller;
}
