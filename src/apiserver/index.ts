export type { KubeletTLS } from './context.ts';
export type { Listen, ServerTLS } from './http/server.ts';
export type { LocalRequest, LocalResponse } from './local.ts';
export { type ApiServer, type ApiServerOptions, startApiServer } from './start.ts';
