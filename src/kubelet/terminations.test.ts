import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerStatus, PodStatus } from '../api/types.ts';
import { Terminations } from './terminations.ts';

const status = (name: string, exitCode?: number): ContainerStatus => ({
  name,
  image: 'i',
  imageID: '',
  ready: false,
  restartCount: 0,
  state:
    exitCode === undefined ? { running: {} } : { terminated: { exitCode, reason: exitCode ? 'Error' : 'Completed' } },
});

test('each end of a container is counted once, by kind, exit code and reason', () => {
  const terminations = new Terminations();
  const initContainerStatuses = [status('first', 0)];
  const steps: PodStatus[] = [
    { initContainerStatuses, containerStatuses: [status('a'), status('b')] },
    { initContainerStatuses, containerStatuses: [status('a', 139), status('b')] },
    { initContainerStatuses, containerStatuses: [status('a', 139), status('b', 139)] },
    { initContainerStatuses, containerStatuses: [status('a'), status('b', 139)] },
    { initContainerStatuses, containerStatuses: [status('a', 0), status('b', 139)] },
  ];
  for (const [index, step] of steps.entries()) terminations.note(steps[index - 1], step);
  assert.deepEqual(terminations.list(), [
    { type: 'init_container', exitCode: 0, reason: 'Completed', count: 1 },
    { type: 'container', exitCode: 139, reason: 'Error', count: 2 },
    { type: 'container', exitCode: 0, reason: 'Completed', count: 1 },
  ]);
});
