import { configMaps } from '../../api/resource.ts';
import type { ConfigMap } from '../../api/types.ts';
import { assign } from '../bootstrap.ts';
import type { Context } from '../context.ts';
import type { FrontProxy } from './aggregator.ts';

const NAME = 'extension-apiserver-authentication';
const namespace = 'kube-system';

/** Tells aggregated API servers whom they may believe: clients' certificates, and this server's headers. */
export async function publishAuthentication(context: Context, frontProxy: FrontProxy, clientCA: string): Promise<void> {
  await assign<ConfigMap>(context, configMaps, {
    metadata: { name: NAME, namespace },
    data: {
      'client-ca-file': clientCA,
      'requestheader-allowed-names': JSON.stringify(['front-proxy-client']),
      'requestheader-client-ca-file': frontProxy.ca,
      'requestheader-extra-headers-prefix': JSON.stringify(['X-Remote-Extra-']),
      'requestheader-group-headers': JSON.stringify(['X-Remote-Group']),
      'requestheader-uid-headers': JSON.stringify(['X-Remote-Uid']),
      'requestheader-username-headers': JSON.stringify(['X-Remote-User']),
    },
  });
}
