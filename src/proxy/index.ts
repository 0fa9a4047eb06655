export type { ProxyMode } from './backends.ts';
export { type ProxyOptions, startProxy } from './proxy.ts';
