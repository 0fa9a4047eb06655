import { mayKubeletSet } from '../../api/node-labels.ts';
import { objectReference } from '../../api/pod-references.ts';
import { nodes, persistentVolumeClaims, persistentVolumes, pods } from '../../api/resource.ts';
import type {
  CertificateSigningRequest,
  CSIDriver,
  KubeObject,
  Labels,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ResourceSlice,
  TokenRequest,
  Volume,
} from '../../api/types.ts';
import type { Authorizer } from '../auth/authorizer.ts';
import { nodeOf } from '../auth/node/identity.ts';
import { objectKey, type WatchCache } from '../cache/watch-cache.ts';
import { forbidden, notFound } from '../errors.ts';
import { equalAsJson } from '../registry/equality.ts';
import type { AdmissionPlugin, AdmissionRequest } from './chain.ts';
import { commonNameOf } from './signing-request.ts';

const LEASES = 'kube-node-lease';
const MIRROR = 'kubernetes.io/config.mirror';
const kubeletSigners = new Set(['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet']);

/** Why the write must not happen; `undefined` where it may. */
type Verdict = string | undefined;

/**
 * Kubelets write only what is their node's: its Node without its taints and reserved labels, mirrors of its static pods,
 * its pods' status, its Lease and CSINode, and tokens for its pods. The words are Kubernetes' own.
 */
export function nodeRestriction(cache: WatchCache, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    admit(request) {
      const node = nodeOf(request.user);
      if (node === undefined) return undefined;
      const verdict =
        node === '' ? `could not determine node from user ${quoted(request.user.name)}` : judge(node, request);
      if (verdict !== undefined) throw forbidden(request.kind, request.name, verdict);
      return undefined;
    },
  };

  function judge(node: string, request: AdmissionRequest): Verdict {
    const { kind, subresource } = request;
    switch (kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`) {
      case 'pods':
        if (subresource === '') return request.operation === 'CREATE' ? ofNewPod(node, request) : ofPod(node, request);
        if (subresource === 'status') return ofPodStatus(node, request);
        if (subresource === 'eviction') return ofEviction(node, request);
        return `unexpected pod subresource ${quoted(subresource)}, only 'status' and 'eviction' are allowed`;
      case 'nodes':
        return ofNode(node, request);
      case 'persistentvolumeclaims':
        return subresource === 'status' ? ofClaimStatus(node, request) : 'may only update PVC status';
      case 'serviceaccounts':
        return subresource === 'token' ? ofToken(node, request) : undefined;
      case 'leases.coordination.k8s.io':
        if (request.namespace !== LEASES) return `can only access leases in the "${LEASES}" system namespace`;
        return sameName(node, request, 'node lease');
      case 'csinodes.storage.k8s.io':
        return sameName(node, request, 'CSINode');
      case 'resourceslices.resource.k8s.io':
        return ofResourceSlice(node, request);
      case 'certificatesigningrequests.certificates.k8s.io':
        return ofSigningRequest(node, request);
      default:
        return undefined;
    }
  }

  function ofNewPod(node: string, { object }: AdmissionRequest): Verdict {
    const pod = object as Pod;
    const itself = 'set to itself';
    const name = quoted(node);
    if (pod.metadata?.annotations?.[MIRROR] === undefined) {
      return `pod does not have ${quoted(MIRROR)} annotation, node ${name} can only create mirror pods`;
    }
    if (pod.spec?.nodeName !== node) return `node ${name} can only create pods with spec.nodeName ${itself}`;
    const [owner, ...more] = pod.metadata.ownerReferences ?? [];
    if (more.length > 0) return `node ${name} can only create pods with a single owner reference ${itself}`;
    if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
      return `node ${name} can only create pods with an owner reference ${itself}`;
    }
    if (!owner.controller) return `node ${name} can only create pods with a controller owner reference ${itself}`;
    if (owner.blockOwnerDeletion) return `node ${name} must not set blockOwnerDeletion on an owner reference`;
    const uid = present<Node>(nodes, '', node).metadata?.uid;
    if (owner.uid !== uid) return `node ${node} UID mismatch: expected ${owner.uid} got ${uid}`;
    const reference = objectReference(pod);
    return reference && `node ${name} can not create pods that reference ${reference}`;
  }

  function ofPod(node: string, { operation, old }: AdmissionRequest): Verdict {
    const name = quoted(node);
    if (operation !== 'DELETE') {
      return `unexpected operation ${quoted(operation)}, node ${name} can only create and delete mirror pods`;
    }
    const isOwn = (old as Pod).spec?.nodeName === node;
    return isOwn ? undefined : `node ${name} can only delete pods with spec.nodeName set to itself`;
  }

  function ofPodStatus(node: string, { operation, object, old }: AdmissionRequest): Verdict {
    if (operation !== 'UPDATE') return `unexpected operation ${quoted(operation)}`;
    const [next, before] = [object as Pod, old as Pod];
    const name = quoted(node);
    if (before.spec?.nodeName !== node) {
      return `node ${name} can only update pod status for pods with spec.nodeName set to itself`;
    }
    if (modifiedLabels(next, before).length > 0) return `node ${name} cannot update labels through pod status`;
    const same = (field: 'resourceClaimStatuses' | 'extendedResourceClaimStatus') =>
      equalAsJson(next.status?.[field] ?? [], before.status?.[field] ?? []);
    if (!same('resourceClaimStatuses')) return `node ${name} cannot update resource claim statues`;
    return same('extendedResourceClaimStatus')
      ? undefined
      : `node ${name} cannot update extended resource claim status`;
  }

  function ofEviction(node: string, { operation, namespace, name }: AdmissionRequest): Verdict {
    if (operation !== 'CREATE') return `unexpected operation ${operation}`;
    const isOwn = present<Pod>(pods, namespace, name).spec?.nodeName === node;
    return isOwn ? undefined : `node ${node} can only evict pods with spec.nodeName set to itself`;
  }

  function ofClaimStatus(node: string, { operation, object, old }: AdmissionRequest): Verdict {
    if (operation !== 'UPDATE') return `unexpected operation ${quoted(operation)}`;
    if (equalAsJson(withoutSizes(object), withoutSizes(old))) return undefined;
    return `node ${quoted(node)} is not allowed to update fields other than status.quantity and status.conditions`;
  }

  function ofToken(node: string, request: AdmissionRequest): Verdict {
    const { namespace, object } = request;
    const order = object as TokenRequest;
    const reference = order.spec?.boundObjectRef;
    if (reference?.apiVersion !== 'v1' || reference.kind !== 'Pod' || !reference.name) {
      return 'node requested token not bound to a pod';
    }
    if (!reference.uid) return 'node requested token with a pod binding without a uid';
    const pod = present<Pod>(pods, namespace, reference.name);
    if (pod.metadata?.uid !== reference.uid) {
      return `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    }
    if (pod.spec?.nodeName !== node) return 'node requested token bound to a pod scheduled on a different node';
    return ofAudience(request, pod, order.spec?.audiences ?? []);
  }

  /** For whom tokens may be is said by the pod, or by roles (KEP-4193 and its like). */
  function ofAudience({ user, namespace, name }: AdmissionRequest, pod: Pod, audiences: readonly string[]): Verdict {
    if (audiences.length > 1) return 'node may only request 0 or 1 audiences';
    const [audience = ''] = audiences;
    if (pod.spec?.volumes?.some((volume) => wantsAudience(volume, pod, audience))) return undefined;
    const verb = 'request-serviceaccounts-token-audience';
    const resource = { group: '', version: 'v1', plural: audience, subresource: '', namespace, name };
    if (authorizer.authorize({ user, verb, resource }).allowed) return undefined;
    return `audience ${quoted(audience)} not found in pod spec volume, ${user.name} is not authorized to request tokens for this audience`;
  }

  function wantsAudience(volume: Volume, pod: Pod, audience: string): boolean {
    const tokens = (volume.projected?.sources ?? []).flatMap(({ serviceAccountToken }) => serviceAccountToken ?? []);
    if (tokens.some((token) => (token.audience ?? '') === audience)) return true;
    const driver = driverOf(volume, pod);
    const requests = find<CSIDriver>(csiDrivers, '', driver ?? '')?.spec.tokenRequests ?? [];
    return requests.some((each) => each.audience === audience);
  }

  function driverOf({ name, csi, ephemeral, persistentVolumeClaim }: Volume, { metadata }: Pod): string | undefined {
    if (csi) return csi.driver;
    const claimName = ephemeral ? `${metadata?.name}-${name}` : persistentVolumeClaim?.claimName;
    if (!claimName) return undefined;
    const claim = find<PersistentVolumeClaim>(persistentVolumeClaims, metadata?.namespace ?? '', claimName);
    return find<PersistentVolume>(persistentVolumes, '', claim?.spec?.volumeName ?? '')?.spec?.csi?.driver;
  }

  type Named = { readonly group: string; readonly plural: string };

  function find<T extends KubeObject>(resource: Named, namespace: string, name: string): T | undefined {
    return cache
      .resource(resource)
      .get(objectKey(resource, namespace, name))
      ?.parse<T>();
  }

  function present<T extends KubeObject>(resource: Named, namespace: string, name: string): T {
    const found = find<T>(resource, namespace, name);
    if (!found) throw notFound(resource, name);
    return found;
  }
}

const csiDrivers = { group: 'storage.k8s.io', plural: 'csidrivers' };

const quoted = (text: string): string => JSON.stringify(text);

function ofNode(node: string, { operation, name, object, old }: AdmissionRequest): Verdict {
  if (name !== node) return `node ${quoted(node)} is not allowed to modify node ${quoted(name)}`;
  if (operation === 'DELETE') return undefined;
  const [next, before] = [object as Node, old as Node | undefined];
  const { configSource } = next.spec ?? {};
  const reserved = modifiedLabels(next, before).filter((label) => !mayKubeletSet(label));
  if (!before) {
    if (configSource) return `node ${quoted(node)} is not allowed to create pods with a non-nil configSource`;
    if (reserved.length === 0) return undefined;
    return `node ${quoted(node)} is not allowed to set the following labels: ${reserved.join(', ')}`;
  }
  if (configSource && !equalAsJson(configSource, before.spec?.configSource ?? {})) {
    return `node ${quoted(node)} is not allowed to update configSource to a new non-nil configSource`;
  }
  if (!equalAsJson(next.spec?.taints ?? [], before.spec?.taints ?? [])) {
    return `node ${quoted(node)} is not allowed to modify taints`;
  }
  if (!equalAsJson(next.metadata?.ownerReferences ?? [], before.metadata?.ownerReferences ?? [])) {
    return `node ${quoted(node)} is not allowed to modify ownerReferences`;
  }
  return reserved.length > 0 ? `is not allowed to modify labels: ${reserved.join(', ')}` : undefined;
}

function modifiedLabels(next: KubeObject, before: KubeObject | undefined): string[] {
  const [now, then]: [Labels, Labels] = [next.metadata?.labels ?? {}, before?.metadata?.labels ?? {}];
  return Object.keys({ ...then, ...now })
    .filter((label) => now[label] !== then[label])
    .sort();
}

function sameName(node: string, { name }: AdmissionRequest, what: string): Verdict {
  return name === node ? undefined : `can only access ${what} with the same name as the requesting node`;
}

/** Changes were looked at by the authorizer, which does not know what is created, or deleted among others. */
function ofResourceSlice(node: string, { operation, object, old }: AdmissionRequest): Verdict {
  const slice = (operation === 'CREATE' ? object : operation === 'DELETE' ? old : undefined) as
    | ResourceSlice
    | undefined;
  if (!slice || slice.spec.nodeName === node) return undefined;
  return `can only ${operation.toLowerCase()} ResourceSlice with the same NodeName as the requesting node`;
}

function ofSigningRequest(node: string, { operation, object }: AdmissionRequest): Verdict {
  if (operation !== 'CREATE') return undefined;
  const { signerName, request } = (object as CertificateSigningRequest).spec;
  if (!kubeletSigners.has(signerName)) return undefined;
  const wanted = `system:node:${node}`;
  try {
    return commonNameOf(request) === wanted ? undefined : `can only create a node CSR with CN=${wanted}`;
  } catch {
    return 'unable to parse csr: it is no PKCS #10 request';
  }
}

/** What of a claim's status a kubelet that makes a volume larger may not touch. */
function withoutSizes(object: KubeObject | undefined): object {
  const { metadata, status, ...rest } = (object ?? {}) as PersistentVolumeClaim;
  const { resourceVersion: _, managedFields: __, ...kept } = metadata ?? {};
  const { capacity, conditions, allocatedResources, allocatedResourceStatuses, ...others } = status ?? {};
  return { ...rest, metadata: kept, status: others };
}
