import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pod } from '../../src/api/types.ts';
import { waitFor } from '../../src/base/wait.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { cases, fixtures, type PodCase } from './cases.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster('pods', ['--nodes', '2']);
  await cluster.apply(...fixtures);
  await cluster.apply(...cases.map(podOf));
});

after(() => cluster.down());

const nameOf = (index: number) => `case-${index}`;

const podOf = ({ spec, metadata }: PodCase, index: number) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...metadata, name: nameOf(index) },
  spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, ...spec },
});

describe('a pod with', { concurrency: 4 }, () => {
  for (const [index, each] of cases.entries()) {
    test(each.name, async () => {
      const name = nameOf(index);
      let pod: Pod = {};
      const look = async () => {
        pod = await cluster.get<Pod>('pod', name);
        return isAsWanted(pod, each) || isOver(pod, each);
      };
      // All were made at once: the first to be looked at may be the last to run. What it is instead is told below.
      const limits = { timeoutMs: 180_000, intervalMs: 150 };
      await waitFor(look, { what: `the end of ${name}`, ...limits }).catch(() => undefined);
      const log = each.log === undefined ? '' : await cluster.kubectl(['logs', name, '-c', 'main']);
      assert.equal(pod.status?.phase, each.phase ?? 'Succeeded', `${log}\n${JSON.stringify(pod.status, null, 1)}`);
      if (each.look) assert.deepEqual(each.look(pod), each.is);
      if (typeof each.log === 'string') assert.equal(log, each.log);
      else if (each.log) assert.match(log, each.log);
    });
  }
});

function isAsWanted(pod: Pod, { phase = 'Succeeded', look, is }: PodCase): boolean {
  return pod.status?.phase === phase && (!look || JSON.stringify(look(pod)) === JSON.stringify(is));
}

/** It will not become what is waited for. */
const isOver = ({ status }: Pod, { phase = 'Succeeded' }: PodCase): boolean =>
  status?.phase !== phase && (status?.phase === 'Failed' || status?.phase === 'Succeeded');
