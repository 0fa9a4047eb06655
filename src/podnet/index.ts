export { type PodNetworkOptions, startPodNetwork } from './podnet.ts';
