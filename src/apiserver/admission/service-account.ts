import { serviceAccounts } from '../../api/resource.ts';
import type { Pod, PodSpec, ServiceAccount, Volume } from '../../api/types.ts';
import { remembered } from '../cache/object.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import { forbidden } from '../errors.ts';
import { randomName } from '../registry/write.ts';
import type { AdmissionPlugin, AdmissionRequest } from './chain.ts';

const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
/** An hour, and 7 s by which the kubelet knows a token of this kind (as Kubernetes). */
const TOKEN_SECONDS = 3607;
/** `0644` */
const FILE_MODE = 420;

/** Gives every pod its service account, and the account's token as files. */
export function serviceAccountAdmission(cache: WatchCache): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    admit(request) {
      const { kind, operation, subresource, object } = request;
      if (kind.kind !== 'Pod' || kind.group !== '' || operation !== 'CREATE' || subresource !== '') return undefined;
      const pod = object as Pod;
      if (pod.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined || !pod.spec) return undefined;
      pod.spec.serviceAccountName ||= 'default';
      pod.spec.serviceAccount = pod.spec.serviceAccountName;
      const account = readAccount(cache, request, pod.spec.serviceAccountName);
      if (wantsToken(pod.spec, account)) mountToken(pod.spec);
      if (account.imagePullSecrets?.length && !pod.spec.imagePullSecrets?.length) {
        pod.spec.imagePullSecrets = account.imagePullSecrets.map((each) => ({ ...each }));
      }
      return undefined;
    },
  };
}

const parsed = remembered((object): Readonly<ServiceAccount> => object.parse<ServiceAccount>());

function readAccount(cache: WatchCache, request: AdmissionRequest, name: string): Readonly<ServiceAccount> {
  const found = cache.resource(serviceAccounts).get(objectKey(serviceAccounts, request.namespace, name));
  if (found) return parsed(found);
  const why = `error looking up service account ${request.namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`;
  throw forbidden(request.kind, request.name, why);
}

function wantsToken(spec: PodSpec, account: ServiceAccount): boolean {
  return spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
}

function mountToken(spec: PodSpec): void {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const without = containers.filter((each) => !each.volumeMounts?.some(({ mountPath }) => mountPath === TOKEN_PATH));
  if (without.length === 0) return;
  const volume = tokenVolume();
  spec.volumes = [...(spec.volumes ?? []), volume];
  for (const container of without) {
    const mount = { name: volume.name, readOnly: true, mountPath: TOKEN_PATH };
    container.volumeMounts = [...(container.volumeMounts ?? []), mount];
  }
}

/** Token, CA and namespace in one folder. */
function tokenVolume(): Volume {
  const namespaceFile = { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } };
  return {
    name: `kube-api-access-${randomName(5)}`,
    projected: {
      defaultMode: FILE_MODE,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [namespaceFile] } },
      ],
    },
  };
}
