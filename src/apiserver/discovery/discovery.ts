import { createHash } from 'node:crypto';
import type { RemoteGroup } from '../aggregation/aggregator.ts';
import { type Answer, bytesAnswer, jsonAnswer } from '../answer.ts';
import type { KindTable } from '../kinds.ts';
import { negotiate } from '../negotiation.ts';
import type { ApiRequest, RequestInfo } from '../request.ts';
import { apiResources, discoveryOf, remoteDiscovery } from './resources.ts';

const AGGREGATED = 'APIGroupDiscoveryList.v2.apidiscovery.k8s.io';

/** Which groups, versions and resources there are. `undefined` for another path. */
export function answerDiscovery(
  kinds: KindTable,
  others: readonly RemoteGroup[],
  request: ApiRequest,
  info: RequestInfo,
): Answer | undefined {
  const parts = info.path.split('/').filter((part) => part !== '');
  const accept = request.headers.accept;
  if (parts[0] === 'api') {
    if (parts.length === 1) return root(kinds, [], [''], accept, request, { kind: 'APIVersions', versions: ['v1'] });
    if (parts.length === 2) return resourceList(kinds, '', parts[1] ?? '');
  }
  if (parts[0] !== 'apis') return undefined;
  const [, group = '', version = ''] = parts;
  if (parts.length === 1) {
    const names = [...new Set([...kinds.groups, ...others.map(({ name }) => name)])];
    const groups = names.map((name) => apiGroup(kinds, others, name));
    return root(kinds, others, names, accept, request, { kind: 'APIGroupList', apiVersion: 'v1', groups });
  }
  if (!kinds.groups.includes(group) && !others.some(({ name }) => name === group)) return undefined;
  if (parts.length === 2) return jsonAnswer({ kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(kinds, others, group) });
  return parts.length === 3 ? resourceList(kinds, group, version) : undefined;
}

function root(
  kinds: KindTable,
  others: readonly RemoteGroup[],
  groups: readonly string[],
  accept: string | undefined,
  request: ApiRequest,
  plain: unknown,
): Answer {
  if (negotiate(accept, [AGGREGATED], true).as === undefined) return jsonAnswer(plain);
  const body = Buffer.from(
    JSON.stringify({
      kind: 'APIGroupDiscoveryList',
      apiVersion: 'apidiscovery.k8s.io/v2',
      metadata: {},
      items: groups.map((group) => aggregatedGroup(kinds, others, group)),
    }),
  );
  return withETag(request, body, 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList');
}

/** 304 where the client has it already. */
export function withETag(request: ApiRequest, body: Buffer, contentType: string): Answer {
  const etag = `"${createHash('sha256').update(body).digest('hex').toUpperCase()}"`;
  const headers = { 'content-type': contentType, etag, vary: 'Accept' };
  if (request.headers['if-none-match'] === etag) return { status: 304, headers, body: [] };
  return bytesAnswer([body], 200, headers);
}

const remoteVersions = (others: readonly RemoteGroup[], group: string) =>
  others.filter(({ name }) => name === group).flatMap(({ versions }) => versions);

function aggregatedGroup(kinds: KindTable, others: readonly RemoteGroup[], group: string): unknown {
  const own = kinds.versions(group).map((version) => ({
    version,
    freshness: 'Current',
    resources: kinds.inGroupVersion(group, version).map(discoveryOf),
  }));
  const remote = remoteVersions(others, group).map(({ version, isFresh, resources }) => ({
    version,
    freshness: isFresh ? 'Current' : 'Stale',
    resources: remoteDiscovery(group, version, resources),
  }));
  const versions = [...own, ...remote];
  return { metadata: { name: group === '' ? undefined : group, creationTimestamp: null }, versions };
}

function apiGroup(kinds: KindTable, others: readonly RemoteGroup[], name: string) {
  const all = [...kinds.versions(name), ...remoteVersions(others, name).map(({ version }) => version)];
  const versions = all.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

function resourceList(kinds: KindTable, group: string, version: string): Answer | undefined {
  const found = kinds.inGroupVersion(group, version);
  if (found.length === 0) return undefined;
  const groupVersion = group === '' ? version : `${group}/${version}`;
  const resources = found.flatMap(apiResources);
  return jsonAnswer({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources });
}
