import { messageOf } from '../../base/errors.ts';

/** Go's words for what the system says of a connection that cannot be made. */
const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
};

/** Why a probe's server did not answer, as people know it from the kubelet. `host`: as in a URL. */
export function dialFailure(error: Error, host: string, port: number | string): string {
  const code = 'code' in error ? String(error.code) : '';
  const cause = CAUSES[code];
  if (cause) return `dial tcp ${host}:${port}: ${cause}`;
  // The server has closed the connection without a word, or broken it off.
  if (code === 'ECONNRESET') return error.message === 'socket hang up' ? 'EOF' : 'read: connection reset by peer';
  return messageOf(error);
}
