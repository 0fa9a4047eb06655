import { join } from 'node:path';

/** Where the proxy's files are. All are its own; those with keys are closed to others. */
export interface ProxyFiles {
  readonly folder: string;
  readonly config: string;
  readonly routes: string;
  readonly certificateList: string;
  readonly certificates: string;
  /** Commands to the worker. */
  readonly socket: string;
  /** Commands to the master: it reloads. */
  readonly masterSocket: string;
  readonly accessLog: string;
  readonly log: string;
}

export function proxyFiles(folder: string, logs: string): ProxyFiles {
  return {
    folder,
    config: join(folder, 'haproxy.cfg'),
    routes: join(folder, 'routes.map'),
    certificateList: join(folder, 'certificates.txt'),
    certificates: join(folder, 'certificates'),
    socket: join(folder, 'haproxy.sock'),
    masterSocket: join(folder, 'master.sock'),
    accessLog: join(logs, 'access.log'),
    log: join(logs, 'haproxy.log'),
  };
}

/** The list of a port's certificates; without a name that of Ingresses. */
export function certificateListPath(files: ProxyFiles, port?: string): string {
  return port === undefined ? files.certificateList : join(files.folder, `certificates-${port}.txt`);
}

/** No Secret's certificate is named so: theirs have an underscore. */
export function certificatePath(files: ProxyFiles, name: string): string {
  return join(files.certificates, `${name}.pem`);
}
