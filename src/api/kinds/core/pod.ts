import type { Pod } from '../../types.ts';
import { defineKind, subresource } from '../define.ts';

const connect = ['create', 'get'];

export const pod = defineKind<Pod>({
  group: '',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
  shortNames: ['po'],
  categories: ['all'],
  hasStatus: true,
  generation: true,
  subresources: [
    subresource('attach', 'PodAttachOptions', connect),
    subresource('binding', 'Binding', ['create']),
    subresource('ephemeralcontainers', 'Pod', ['get', 'patch', 'update']),
    subresource('eviction', 'Eviction', ['create'], 'policy/v1'),
    subresource('exec', 'PodExecOptions', connect),
    subresource('log', 'Pod', ['get']),
    subresource('portforward', 'PodPortForwardOptions', connect),
    subresource('proxy', 'PodProxyOptions', ['create', 'delete', 'get', 'patch', 'update']),
    subresource('resize', 'Pod', ['get', 'patch', 'update']),
  ],
});
