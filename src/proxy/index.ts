export { type ProxyMode, removeAllModes } from './backends.ts';
export { type ProxyOptions, startProxy } from './proxy.ts';
