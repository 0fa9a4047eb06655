import type { KubeObject } from '../../api/types.ts';
import type { Context } from '../context.ts';
import type { ApiRequest, RequestInfo } from '../request.ts';
import type { StreamRequest } from './locate.ts';

type Options = Readonly<Record<string, unknown>>;

/** What of the query is shown of a connection, by resource and subresource; also the type that it is shown as. */
const shown: Readonly<
  Record<string, { readonly kind: string; options(query: URLSearchParams, rest: string): Options }>
> = {
  'pods/exec': {
    kind: 'PodExecOptions',
    options: (query) => ({ ...streams(query), command: query.getAll('command') }),
  },
  'pods/attach': { kind: 'PodAttachOptions', options: streams },
  'pods/portforward': {
    kind: 'PodPortForwardOptions',
    options: (query) => ({ ports: query.getAll('ports').flatMap((ports) => ports.split(',').map(Number)) }),
  },
  'pods/proxy': { kind: 'PodProxyOptions', options: path },
  'services/proxy': { kind: 'ServiceProxyOptions', options: path },
  'nodes/proxy': { kind: 'NodeProxyOptions', options: path },
};

function streams(query: URLSearchParams): Options {
  const is = (name: string) => (['true', '1'].includes(query.get(name) ?? '') ? true : undefined);
  return {
    stdin: is('stdin'),
    stdout: is('stdout'),
    stderr: is('stderr'),
    tty: is('tty'),
    container: query.get('container') ?? undefined,
  };
}

function path(_query: URLSearchParams, rest: string): Options {
  return { path: rest };
}

/**
 * Asks webhooks and policies whether a connection may be made. Of the options that they are shown they can change
 * nothing: the connection is made as it was asked for.
 *
 * @throws StatusError where one refuses
 */
export async function admitConnect(
  context: Context,
  request: ApiRequest,
  { info, resource }: StreamRequest,
): Promise<void> {
  const kind = context.kinds.find(resource);
  const form = shown[`${resource.plural}/${resource.subresource}`];
  if (!kind || !form || !request.user) return;
  const object = { apiVersion: 'v1', kind: form.kind, ...optionsOf(form, info) } as KubeObject;
  const admission = {
    operation: 'CONNECT' as const,
    kind,
    subresource: resource.subresource,
    namespace: resource.namespace,
    name: resource.name,
    user: request.user,
    dryRun: false,
    objectKind: { group: '', version: 'v1', kind: form.kind, definition: `io.k8s.api.core.v1.${form.kind}` },
    object,
    old: undefined,
    warnings: undefined,
  };
  await context.admission.mutate(admission);
  await context.admission.validate(admission);
}

function optionsOf({ options }: (typeof shown)[string], { query, resource }: RequestInfo): Options {
  return JSON.parse(JSON.stringify(options(query, resource?.rest ?? ''))) as Options;
}
