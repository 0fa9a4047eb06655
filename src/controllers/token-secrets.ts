import { secrets, serviceAccounts } from '../api/resource.ts';
import type { Secret, ServiceAccount, TokenRequest } from '../api/types.ts';
import { keyOf } from '../client/cache.ts';
import { isNotFound } from '../client/client.ts';
import type { Controller } from '../client/controller.ts';
import type { ControllerContext } from './context.ts';

const TYPE = 'kubernetes.io/service-account-token';
const ACCOUNT = 'kubernetes.io/service-account.name';
const ACCOUNT_UID = 'kubernetes.io/service-account.uid';
/** Such a token ends with its Secret; 136 years is what a TokenRequest may ask for. */
const SECONDS = 2 ** 32 - 1;

/** Fills Secrets of type `kubernetes.io/service-account-token`, and removes those whose account is gone. */
export function startTokenSecrets({ client, informers, run, rootCA }: ControllerContext): Controller {
  const tokens = informers.informer(secrets, { fieldSelector: `type=${TYPE}` });
  const accounts = informers.informer(serviceAccounts);

  const controller = run({
    name: 'serviceaccount-tokens-controller',
    informers: [tokens, accounts],
    async sync(key) {
      const secret = tokens.get(key);
      const name = secret?.metadata?.annotations?.[ACCOUNT];
      if (!secret || !name || secret.metadata?.deletionTimestamp) return;
      const account = await accountOf(secret.metadata?.namespace ?? '', name);
      const uid = secret.metadata?.annotations?.[ACCOUNT_UID];
      if (!account || (uid && uid !== account.metadata?.uid)) return remove(secret);
      if (!isFilled(secret)) await fill(secret, account);
    },
  });

  /** The copy may be old, and what is removed for it is not made again. */
  const accountOf = async (namespace: string, name: string): Promise<ServiceAccount | undefined> => {
    const known = accounts.get(`${namespace}/${name}`);
    if (known) return known;
    try {
      return await client.get(serviceAccounts, { namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };

  const fill = async (secret: Secret, account: ServiceAccount): Promise<void> => {
    const { name = '', namespace = '', uid } = secret.metadata ?? {};
    const request: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: [],
        expirationSeconds: SECONDS,
        boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name, uid },
      },
    };
    const ref = { namespace, name: account.metadata?.name ?? '' };
    const { status } = await client.createSubresource(serviceAccounts, ref, 'token', request);
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const annotations = { ...secret.metadata?.annotations, [ACCOUNT_UID]: account.metadata?.uid ?? '' };
    await client.update(secrets, {
      ...secret,
      metadata: { ...secret.metadata, annotations },
      data: {
        ...secret.data,
        'ca.crt': base64(rootCA),
        namespace: base64(namespace),
        token: base64(status?.token ?? ''),
      },
    });
  };

  const remove = async ({ metadata }: Secret): Promise<void> => {
    const { name = '', namespace, uid } = metadata ?? {};
    await client.delete(secrets, { name, namespace }, { preconditions: { uid } }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  };

  tokens.onChange((secret) => {
    if (secret) controller.enqueue(keyOf(secret));
  });
  accounts.onChange((account, old) => {
    if (account && old) return;
    for (const secret of tokens.list((account ?? old)?.metadata?.namespace ?? '')) controller.enqueue(keyOf(secret));
  });
  return controller;
}

const isFilled = ({ data, metadata }: Secret): boolean =>
  Boolean(data?.token && data['ca.crt'] && data.namespace && metadata?.annotations?.[ACCOUNT_UID]);
