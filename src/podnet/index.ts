export { type OverlayEnd, startOverlay } from './overlay.ts';
export { type PodNetworkOptions, startPodNetwork } from './podnet.ts';
