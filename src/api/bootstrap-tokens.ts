import type { Secret } from './types.ts';

export const BOOTSTRAP_TOKEN_TYPE = 'bootstrap.kubernetes.io/token';
export const BOOTSTRAP_TOKEN_NAMESPACE = 'kube-system';

/** A Secret that is a bootstrap token (`kubeadm token create`), with its data decoded. */
export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
  /** ms since the epoch; `undefined`: it lasts, `NaN`: it cannot be read, and counts as over. */
  readonly expires: number | undefined;
  readonly authenticates: boolean;
  /** Whether `cluster-info` is signed with it. */
  readonly signs: boolean;
  readonly extraGroups: readonly string[];
}

const SHAPE = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
/** RFC 3339 */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** The two parts of what is presented as a bootstrap token; `undefined` where it is none. */
export function splitBootstrapToken(text: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = SHAPE.exec(text) ?? [];
  return id && secret ? { id, secret } : undefined;
}

export const bootstrapSecretName = (id: string): string => `bootstrap-token-${id}`;

export function readBootstrapToken({ data = {} }: Secret): BootstrapToken {
  const value = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString();
  const expiration = value('expiration');
  const expires = TIME.test(expiration) ? Date.parse(expiration) : Number.NaN;
  return {
    id: value('token-id'),
    secret: value('token-secret'),
    expires: expiration === '' ? undefined : expires,
    authenticates: value('usage-bootstrap-authentication') === 'true',
    signs: value('usage-bootstrap-signing') === 'true',
    extraGroups: value('auth-extra-groups')
      .split(',')
      .filter((group) => group !== ''),
  };
}

export const hasExpired = ({ expires }: BootstrapToken, now = Date.now()): boolean =>
  expires !== undefined && !(expires > now);
