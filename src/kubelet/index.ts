export { type CriClient, createCriClient } from './cri/client.ts';
export { type Kubelet, type KubeletOptions, startKubelet } from './kubelet.ts';
export type { FoundContainer, RuntimeView } from './runtime-view.ts';
export type { KubeletSettings } from './settings.ts';
