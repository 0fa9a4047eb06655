export { knitClass } from './classes.ts';
export { IngressController } from './controller.ts';
export { SharedProxy } from './front-ends.ts';
export { metricsPort } from './haproxy/config.ts';
export { type ProxyFiles, proxyFiles } from './haproxy/files.ts';
export type { ProxyPlace } from './haproxy/proxy.ts';
