import { setTimeout as delay } from 'node:timers/promises';
import type { Running } from '../base/running.ts';
import { type Controller, runController } from '../client/controller.ts';
import { createEventRecorder, type EventRecorder } from '../client/events.ts';
import { queueMetricLines } from '../client/queue-metrics.ts';
import type { ControllerContext, ControllersOptions } from './context.ts';
import { startDeploymentController } from './deployment/controller.ts';
import { startEndpointsController } from './endpoints/endpoints-controller.ts';
import { startEndpointSliceController } from './endpoints/slice-controller.ts';
import { startGarbageCollector } from './gc/controller.ts';
import { startLate } from './late.ts';
import { startNamespaceController } from './namespace.ts';
import { startNodeIPAM } from './node-ipam.ts';
import { startNodeLifecycle } from './node-lifecycle.ts';
import { startPodGC } from './pod-gc.ts';
import { startReplicaSetController } from './replicaset/controller.ts';
import { startRootCAPublisher } from './root-ca.ts';
import { startServiceAccountController } from './serviceaccount.ts';
import { startTaintEviction } from './taint-eviction.ts';

export type { CertificateOrder, CertificateSigner } from './certificates/signers.ts';
export type { ControllersOptions } from './context.ts';
export type { LocalVolumes } from './volumes/provisioner.ts';

const FLUSH_MS = 500;

/** In the order in which a cluster that boots needs them. */
const controllers: readonly ((context: ControllerContext) => Running)[] = [
  startNodeIPAM,
  startServiceAccountController,
  startRootCAPublisher,
  startReplicaSetController,
  startDeploymentController,
  startEndpointSliceController,
  startEndpointsController,
  startNodeLifecycle,
  startTaintEviction,
  startNamespaceController,
  startPodGC,
  startGarbageCollector,
];

export interface Controllers extends Running {
  /** Of their work queues, as lines for Prometheus. */
  metrics(): string[];
}

/** Starts all controllers. Resolves when their informers have synced; they work as soon as their own have. */
export async function startControllers(options: ControllersOptions): Promise<Controllers> {
  const recorders: EventRecorder[] = [];
  const queues: Controller[] = [];
  const context: ControllerContext = {
    ...options,
    events(component) {
      const recorder = createEventRecorder(options.client, { component });
      recorders.push(recorder);
      return recorder;
    },
    run(controllerOptions) {
      const controller = runController({ ...controllerOptions, log: options.log });
      queues.push(controller);
      return controller;
    },
  };
  const running = controllers.map((start) => start(context));
  await options.informers.start();
  running.push(startLate(context));
  return {
    metrics: () => queueMetricLines(queues),
    async stop() {
      await Promise.all(running.map((controller) => controller.stop()));
      // Events that no server takes any more are not worth waiting for.
      const sent = Promise.all(recorders.map((recorder) => recorder.flush()));
      await Promise.race([sent, delay(FLUSH_MS, undefined, { ref: false })]);
    },
  };
}
