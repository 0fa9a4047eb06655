import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  controllerRevisions,
  deployments,
  jobs,
  namespaces,
  persistentVolumeClaims,
  pods,
  replicaSets,
  serviceAccounts,
  statefulSets,
} from '../api/resource.ts';
import type { KubeObject, Pod } from '../api/types.ts';
import { startTestApiServer } from '../apiserver/testing.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import type { Client, Transport } from '../client/client.ts';
import { httpsTransport } from '../client/https.ts';
import { createInformers } from '../client/informers.ts';
import { createClient } from '../client/requests.ts';
import { startControllers } from './index.ts';
import { deployment, template } from './testing.ts';

const log = createLog('killed-test', () => undefined);
/** Writes after which the controllers die: between those by which a workload starts. */
const deaths = [1, 2, 3, 4, 6, 8, 11];

/** A transport that dies with its writer: the last write reaches the server or not, its answer never comes back. */
function dying(transport: Transport, writes: number, isApplied: boolean) {
  const dead = Promise.withResolvers<void>();
  let left = writes;
  const lost = () => new Promise<never>((_, reject) => dead.promise.then(() => reject(new Error('killed'))));
  const mortal: Transport = {
    async request(request) {
      if (left <= 0) return lost();
      // Events are no deeds, and their number is chance.
      if (request.method === 'GET' || request.path.includes('/events')) return transport.request(request);
      if (--left > 0) return transport.request(request);
      if (isApplied) await transport.request(request).then((answer) => answer.text());
      dead.resolve();
      return lost();
    },
    close: async () => undefined,
  };
  return { mortal, dead: dead.promise };
}

test('controllers that are killed between two writes leave no orphan behind, and do nothing twice', async (t) => {
  const server = await startTestApiServer();
  const transport = httpsTransport({ server: server.url, ca: server.ca, cert: server.adminCert, key: server.adminKey });
  const client = createClient(transport);
  t.after(() => transport.close().then(server.stop));

  const run = async (own: Client) => {
    const informers = createInformers(own, log);
    const controllers = await startControllers({
      client: own,
      informers,
      log,
      podCIDRs: ['10.244.0.0/16'],
      rootCA: '',
    });
    return async () => {
      await controllers.stop();
      await informers.stop();
    };
  };

  for (const death of deaths) {
    for (const isApplied of [false, true]) {
      const namespace = `death-${death}-${isApplied ? 'after' : 'before'}`;
      await create(client, namespace);
      const { mortal, dead } = dying(transport, death, isApplied);
      const stopDead = await run(createClient(mortal));
      await waitFor(() => dead.then(() => true), { what: `write ${death}`, timeoutMs: 60_000 });
      await stopDead();
      const stop = await run(client);
      await settle(client, namespace);
      await assertSound(client, namespace);
      await client.delete(namespaces, { name: namespace });
      await waitFor(
        async () => !(await client.list(namespaces)).items.some(({ metadata }) => metadata?.name === namespace),
        {
          what: `the end of ${namespace}`,
          timeoutMs: 60_000,
        },
      );
      await stop();
    }
  }
});

async function create(client: Client, namespace: string): Promise<void> {
  await client.create(namespaces, { metadata: { name: namespace } });
  await client.create(serviceAccounts, { metadata: { name: 'default', namespace } });
  await client.create(deployments, { ...deployment('web', 2), metadata: { name: 'web', namespace } });
  await client.create(jobs, {
    metadata: { name: 'work', namespace },
    spec: {
      completions: 2,
      parallelism: 2,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  await client.create(statefulSets, {
    metadata: { name: 'db', namespace },
    spec: {
      replicas: 2,
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      template: template('db'),
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  });
}

/** What kubelets would do, until everything is as it was asked for. */
async function settle(client: Client, namespace: string): Promise<void> {
  const look = async (): Promise<boolean> => {
    for (const pod of (await client.list(pods, { namespace })).items) await act(client, pod);
    const [web, work, db] = await Promise.all([
      client.get(deployments, { namespace, name: 'web' }),
      client.get(jobs, { namespace, name: 'work' }),
      client.get(statefulSets, { namespace, name: 'db' }),
    ]);
    const isDone = work.status?.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True');
    return web.status?.availableReplicas === 2 && Boolean(isDone) && db.status?.availableReplicas === 2;
  };
  await waitFor(look, { what: `all of ${namespace}`, timeoutMs: 60_000 });
}

async function act(client: Client, { metadata, status }: Pod): Promise<void> {
  const isWork = metadata?.labels?.['job-name'] === 'work';
  const phase = isWork ? 'Succeeded' : 'Running';
  if (status?.phase === phase) return;
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
  const patch = { status: { phase, ...(isWork ? {} : { conditions }) } };
  await client.patch(pods, { namespace: metadata?.namespace, name: metadata?.name ?? '' }, 'merge', patch, 'status');
}

async function assertSound(client: Client, namespace: string): Promise<void> {
  const all = (await client.list(pods, { namespace })).items;
  const ownedBy = (kind: string) => all.filter((pod) => ownerOf(pod) === kind);
  assert.deepEqual(
    all.filter((pod) => ownerOf(pod) === undefined).map(({ metadata }) => metadata?.name),
    [],
    `${namespace}: orphans`,
  );
  assert.equal(ownedBy('ReplicaSet').length, 2, `${namespace}: pods of the Deployment`);
  assert.equal(ownedBy('Job').length, 2, `${namespace}: pods of the Job`);
  assert.deepEqual(
    ownedBy('StatefulSet')
      .map(({ metadata }) => metadata?.name)
      .sort(),
    ['db-0', 'db-1'],
    namespace,
  );
  assert.equal((await client.list(replicaSets, { namespace })).items.length, 1, `${namespace}: ReplicaSets`);
  assert.equal((await client.list(controllerRevisions, { namespace })).items.length, 1, `${namespace}: revisions`);
  const claims = (await client.list(persistentVolumeClaims, { namespace })).items;
  assert.deepEqual(claims.map(({ metadata }) => metadata?.name).sort(), ['data-db-0', 'data-db-1'], namespace);
  const { status } = await client.get(jobs, { namespace, name: 'work' });
  assert.deepEqual([status?.succeeded, status?.failed], [2, undefined], `${namespace}: each pod is counted once`);
}

const ownerOf = ({ metadata }: KubeObject): string | undefined =>
  metadata?.ownerReferences?.find(({ controller }) => controller)?.kind;
