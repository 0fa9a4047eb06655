import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerStatus, Pod } from '../../types.ts';
import { summarizePod } from './summary.ts';

type State = NonNullable<ContainerStatus['state']>;

const status = (name: string, state: State, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  image: 'x',
  imageID: '',
  ready: false,
  restartCount: 0,
  state,
  ...more,
});
const running = (name: string) => status(name, { running: {} }, { ready: true, started: true });
const waiting = (name: string, reason: string) => status(name, { waiting: { reason } });
const ended = (name: string, exitCode: number, reason?: string) => status(name, { terminated: { exitCode, reason } });

function podOf(phase: string, containers: ContainerStatus[], init: ContainerStatus[] = [], more: Pod = {}): Pod {
  return {
    metadata: more.metadata,
    spec: {
      containers: containers.map(({ name }) => ({ name })),
      initContainers: init.map(({ name }) => ({ name, ...(name === 'sidecar' ? { restartPolicy: 'Always' } : {}) })),
    },
    status: { phase, containerStatuses: containers, initContainerStatuses: init, ...more.status },
  };
}

const isReady = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
const deleting = { metadata: { name: 'x', deletionTimestamp: '2026-01-01T00:00:00Z' } };
const gated = { status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] } };

const cases: readonly [string, Pod, string, string][] = [
  ['just created', podOf('Pending', []), '0/0', 'Pending'],
  ['gated', podOf('Pending', [], [], gated), '0/0', 'SchedulingGated'],
  ['starting', podOf('Pending', [waiting('a', 'ContainerCreating')]), '0/1', 'ContainerCreating'],
  ['running', podOf('Running', [running('a')]), '1/1', 'Running'],
  ['crashing', podOf('Running', [waiting('a', 'CrashLoopBackOff'), running('b')]), '1/2', 'CrashLoopBackOff'],
  ['no image', podOf('Pending', [waiting('a', 'ImagePullBackOff')]), '0/1', 'ImagePullBackOff'],
  ['done', podOf('Succeeded', [ended('a', 0, 'Completed')]), '0/1', 'Completed'],
  ['failed', podOf('Failed', [ended('a', 3)]), '0/1', 'ExitCode:3'],
  ['half done, ready', podOf('Running', [ended('a', 0, 'Completed'), running('b')], [], isReady), '1/2', 'Running'],
  ['half done', podOf('Running', [ended('a', 0, 'Completed'), running('b')]), '1/2', 'NotReady'],
  ['evicted', podOf('Failed', [], [], { status: { reason: 'Evicted' } }), '0/0', 'Evicted'],
  [
    'first init',
    podOf('Pending', [waiting('a', 'PodInitializing')], [status('i', { running: {} })]),
    '0/1',
    'Init:0/1',
  ],
  ['second init', podOf('Pending', [], [ended('i', 0, 'Completed'), status('j', { running: {} })]), '0/0', 'Init:1/2'],
  ['init fails', podOf('Pending', [], [ended('i', 1, 'Error')]), '0/0', 'Init:Error'],
  ['init crashes', podOf('Pending', [], [waiting('i', 'CrashLoopBackOff')]), '0/0', 'Init:CrashLoopBackOff'],
  ['sidecar', podOf('Running', [running('a')], [running('sidecar')]), '2/2', 'Running'],
  ['going', podOf('Running', [running('a')], [], deleting), '1/1', 'Terminating'],
  ['gone', podOf('Succeeded', [ended('a', 0, 'Completed')], [], deleting), '0/1', 'Completed'],
];

for (const [what, pod, ready, state] of cases) {
  test(`a pod that is ${what} shows ${ready} ${state}`, () => {
    const summary = summarizePod(pod, 0);
    assert.deepEqual([summary.ready, summary.status], [ready, state]);
  });
}

test('restarts say when the last one was', () => {
  const lastState = { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:00:00Z' } };
  const crashed = status('a', { running: {} }, { restartCount: 2, lastState });
  const now = Date.parse('2026-01-01T00:05:00Z');
  assert.equal(summarizePod(podOf('Running', [crashed]), now).restarts, '2 (5m ago)');
  assert.equal(summarizePod(podOf('Running', [running('a')]), now).restarts, '0');
});
