import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcError, grpcStatus } from './cri/grpc.ts';
import { ContainerStatus, containerState, PodSandboxStatus, sandboxState } from './cri/messages.ts';
import { settled } from './settled.ts';

/** Answers with one state after the other; how many were asked for is what tells when `settled` was content. */
function runtime(states: { container?: readonly number[]; sandbox?: readonly number[] }) {
  const containers = [...(states.container ?? [])];
  const sandboxes = [...(states.sandbox ?? [])];
  const next = <T>(left: number[], message: { decode(bytes: Uint8Array): T }) => {
    const state = left.shift();
    if (state === undefined) return Promise.reject(new GrpcError(grpcStatus.NOT_FOUND, 'not found'));
    return Promise.resolve({ ...message.decode(new Uint8Array()), state });
  };
  return {
    left: () => containers.length + sandboxes.length,
    containerStatus: () => next(containers, ContainerStatus),
    podSandboxStatus: () => next(sandboxes, PodSandboxStatus),
  };
}

const { created, running, exited } = containerState;

test('a container that ended before CRI called it running is waited for, until CRI says that it exited', async () => {
  const cri = runtime({ container: [created, running, running, exited, exited] });
  await settled(cri, 'c');
  assert.equal(cri.left(), 1);
});

test('a container that is removed meanwhile has ended', async () => {
  await settled(runtime({ container: [running] }), 'c');
});

test('what is no container is a sandbox, which ends when it is not ready any more', async () => {
  const cri = runtime({ sandbox: [sandboxState.ready, sandboxState.notReady, sandboxState.notReady] });
  await settled(cri, 's');
  assert.equal(cri.left(), 1);
});
