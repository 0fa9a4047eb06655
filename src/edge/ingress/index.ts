export { knitClass } from './classes.ts';
export { type IngressControllerOptions, startIngressController } from './controller.ts';
export { metricsPort } from './haproxy/config.ts';
export { type ProxyFiles, proxyFiles } from './haproxy/files.ts';
export type { ProxyPlace } from './haproxy/proxy.ts';
