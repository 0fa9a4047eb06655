import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodStatus } from '../api/types.ts';
import { createLog } from '../base/log.ts';
import { waitFor } from '../base/wait.ts';
import type { Client } from '../client/client.ts';
import { createStatusWriter } from './status-writer.ts';

const pod: Pod = { metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1' } };

/** Takes patches, and remembers the phases in them. */
function taking(phases: (string | undefined)[]): Client {
  const patch = async (_: unknown, __: unknown, ___: unknown, body: { status: PodStatus }) => {
    phases.push(body.status.phase);
    return { ...pod, metadata: { ...pod.metadata, resourceVersion: '5' } };
  };
  return { patch } as unknown as Client;
}

test('a status that comes in the moment in which the one before is done is told too', async () => {
  for (let hops = 0; hops < 20; hops++) {
    const phases: (string | undefined)[] = [];
    const writer = createStatusWriter(taking(phases), createLog('test'), () => undefined);
    writer.write(pod, { phase: 'Running' });
    for (let hop = 0; hop < hops; hop++) await undefined;
    writer.write(pod, { phase: 'Succeeded' });
    await writer.flush();
    assert.equal(phases.at(-1), 'Succeeded', `after ${hops} turns`);
  }
});

test('what others have said of a pod’s readiness since is noticed, and what they said before is not', async () => {
  const writer = createStatusWriter(taking([]), createLog('test'), () => undefined);
  const ready = (status: string) => ({ conditions: [{ type: 'Ready', status }] });
  const seen = (resourceVersion: string, status: string): Pod => ({
    metadata: { ...pod.metadata, resourceVersion },
    status: ready(status),
  });
  assert.equal(writer.isContradictedBy(seen('9', 'False')), false);
  writer.write(pod, ready('True'));
  await writer.flush();
  assert.equal(writer.isContradictedBy(seen('4', 'False')), false);
  assert.equal(writer.isContradictedBy(seen('6', 'True')), false);
  assert.equal(writer.isContradictedBy(seen('6', 'False')), true);
});

test('what is passing is told when it stays, and not where something newer comes', async () => {
  const phases: (string | undefined)[] = [];
  const writer = createStatusWriter(taking(phases), createLog('test'), () => undefined);
  writer.write(pod, { phase: 'Pending' }, true);
  writer.write(pod, { phase: 'Running' });
  await writer.flush();
  assert.deepEqual(phases, ['Running']);
  writer.write(pod, { phase: 'Pending' }, true);
  await waitFor(() => phases.length === 2, { what: 'what stays to be told', timeoutMs: 30_000 });
  writer.write(pod, { phase: 'Failed' }, true);
  await writer.flush();
  assert.deepEqual(phases, ['Running', 'Pending', 'Failed']);
});
