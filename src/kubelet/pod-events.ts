import type { Container, Pod } from '../api/types.ts';
import type { EventRecorder, EventType } from '../client/events.ts';

/** The kubelet's events of pods; those of a container name it as `spec.containers{NAME}`. */
export interface PodEvents {
  pod(pod: Pod, type: EventType, reason: string, message: string): void;
  container(pod: Pod, container: Pick<Container, 'name'>, type: EventType, reason: string, message: string): void;
}

export function createPodEvents(recorder: EventRecorder): PodEvents {
  return {
    pod: (pod, type, reason, message) => recorder.event(pod, type, reason, message),
    container(pod, container, type, reason, message) {
      const lists = ['initContainers', 'ephemeralContainers'] as const;
      const list = lists.find((each) => pod.spec?.[each]?.some(({ name }) => name === container.name)) ?? 'containers';
      const path = `spec.${list}{${container.name}}`;
      recorder.event(pod, type, reason, message, path);
    },
  };
}
