import type { Service } from '../api/types.ts';

/**
 * The variables by which a container finds Services, in the form of Docker links. Services of the pod's namespace where
 * it wants them (`enableServiceLinks`), and the API server's in any case.
 */
export function serviceEnv(
  services: readonly Service[],
  namespace: string,
  enableServiceLinks: boolean,
): Record<string, string> {
  const env: Record<string, string> = {};
  const own = (service: Service) => enableServiceLinks && service.metadata?.namespace === namespace;
  // The pod's own namespace comes last: its Services win over the API server's of the same name.
  for (const service of services.filter(isApiServer)) Object.assign(env, variablesOf(service));
  for (const service of services.filter(own)) Object.assign(env, variablesOf(service));
  return env;
}

const isApiServer = ({ metadata }: Service) => metadata?.namespace === 'default' && metadata.name === 'kubernetes';

function variablesOf(service: Service): Record<string, string> {
  const { clusterIP, ports = [] } = service.spec ?? {};
  const first = ports[0];
  if (!clusterIP || clusterIP === 'None' || !first) return {};
  const prefix = variableName(service.metadata?.name ?? '');
  const host = clusterIP.includes(':') ? `[${clusterIP}]` : clusterIP;
  const url = (port: typeof first) => `${(port.protocol ?? 'TCP').toLowerCase()}://${host}:${port.port}`;
  const env: Record<string, string> = {
    [`${prefix}_SERVICE_HOST`]: clusterIP,
    [`${prefix}_SERVICE_PORT`]: String(first.port),
    [`${prefix}_PORT`]: url(first),
  };
  for (const port of ports) {
    if (port.name) env[`${prefix}_SERVICE_PORT_${variableName(port.name)}`] = String(port.port);
    const protocol = port.protocol ?? 'TCP';
    const link = `${prefix}_PORT_${port.port}_${protocol}`;
    env[link] = url(port);
    env[`${link}_PROTO`] = protocol.toLowerCase();
    env[`${link}_PORT`] = String(port.port);
    env[`${link}_ADDR`] = clusterIP;
  }
  return env;
}

const variableName = (name: string): string => name.toUpperCase().replaceAll('-', '_');
