export { type ProxyOptions, startProxy } from './proxy.ts';
