import { type FilterPlugin, rejection } from '../framework.ts';
import { tolerates } from './tolerations.ts';

const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const cordoned = rejection(true, 'node(s) were unschedulable');

/** Keeps pods off cordoned nodes. */
export const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  wokenBy: ['NodeAdded', 'NodeTaints'],
  filter(pod) {
    if (tolerates(pod.pod.spec?.tolerations, taint)) return undefined;
    return ({ unschedulable }) => (unschedulable ? cordoned : undefined);
  },
};
