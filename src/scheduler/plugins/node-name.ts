import { type FilterPlugin, rejection } from '../framework.ts';

const other = rejection(true, "node(s) didn't match the requested node name");

/** A pod that names its node goes nowhere else. */
export const nodeName: FilterPlugin = {
  name: 'NodeName',
  wokenBy: ['NodeAdded'],
  filter(pod) {
    const wanted = pod.pod.spec?.nodeName;
    return wanted ? ({ name }) => (name === wanted ? undefined : other) : undefined;
  },
};
