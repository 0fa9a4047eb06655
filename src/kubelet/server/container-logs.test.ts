import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerStatus } from '../../api/types.ts';
import { loggedContainer } from './container-logs.ts';

function logged(status: Partial<ContainerStatus> | undefined, previous = false): string {
  const entry = status && { name: 'c', image: '', imageID: '', ready: false, restartCount: 0, ...status };
  const pod = { metadata: { name: 'p' }, status: { containerStatuses: entry ? [entry] : [] } };
  return loggedContainer(pod, 'c', previous);
}
const terminated = (containerID?: string) => ({ terminated: { exitCode: 1, containerID } });

test('the log is that of the container that runs, else of the last one that did', () => {
  assert.equal(logged({ state: { running: {} }, containerID: 'containerd://now' }), 'now');
  assert.equal(logged({ state: terminated('containerd://ended') }), 'ended');
  assert.equal(logged({ state: { waiting: {} }, lastState: terminated('containerd://last') }), 'last');
});

test('the previous log is that of the last container that ended', () => {
  const state = { running: {} };
  assert.equal(
    logged({ state, containerID: 'containerd://now', lastState: terminated('containerd://last') }, true),
    'last',
  );
  assert.throws(() => logged({ state }, true), {
    statusCode: 400,
    message: 'previous terminated container "c" in pod "p" not found',
  });
});

test('a container without a log says why, in the words of the kubelet', () => {
  const says = (status: Partial<ContainerStatus> | undefined, message: string) =>
    assert.throws(() => logged(status), { statusCode: 400, message });
  const of = 'container "c" in pod "p"';
  says(undefined, `${of} is not available`);
  says({ state: { waiting: { reason: 'ContainerCreating' } } }, `${of} is waiting to start: ContainerCreating`);
  says({ state: { waiting: { reason: 'ErrImagePull' } } }, `${of} is waiting to start: image can't be pulled`);
  says({ state: terminated() }, `${of} is terminated`);
  says({}, `${of} is waiting to start - no logs yet`);
});
