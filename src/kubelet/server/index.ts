export { createReviews } from './access.ts';
export type { NodeView } from './node.ts';
export { type KubeletServer, type KubeletServerOptions, startKubeletServer } from './server.ts';
