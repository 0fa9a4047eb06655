/** knit for programs: `import { createCluster } from 'knit'`. */
export type { Deployment, Ingress, Job, KubeObject, Namespace, Node, Pod, Service, StatefulSet } from './api/types.ts';
export { KnitError } from './base/errors.ts';
export { ApiError, type Client } from './client/client.ts';
export { type Cluster, type CreateOptions, createCluster, type Ref } from './cluster/create.ts';
export type { Balance } from './trace/balance.ts';
export type { Check, Explanation, Finding } from './trace/explain/model.ts';
export type { Report, Story } from './trace/story.ts';
