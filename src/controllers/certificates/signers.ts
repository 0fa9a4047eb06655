import type { CertificateSigningRequest } from '../../api/types.ts';

/** What a request asks a certificate for. */
export interface CertificateSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** `type`: `dns`, `ip`, `email`, `url`. */
  readonly names: readonly { readonly type: string; readonly value: string }[];
}

export interface CertificateOrder {
  /** PEM. */
  readonly request: string;
  readonly usages: readonly string[];
  readonly lifetimeMs: number;
}

/** The cluster's CA, for those who have a key of their own. */
export interface CertificateSigner {
  /** Throws for what is no request, or is not signed by its own key. */
  read(request: string): Promise<CertificateSubject>;
  /** Resolves to the certificate, PEM. */
  sign(order: CertificateOrder): Promise<string>;
}

interface Rules {
  readonly required: readonly string[];
  readonly allowed: readonly string[];
  /** What is wrong with the subject. */
  check(subject: CertificateSubject): string | undefined;
}

const NODE = 'system:node:';
const NODES = 'system:nodes';
const common = ['key encipherment', 'digital signature'];

const ofNode = ({ commonName, organizations }: CertificateSubject): string | undefined => {
  if (organizations.length !== 1 || organizations[0] !== NODES) return `subject organization is not ${NODES}`;
  return commonName.startsWith(NODE) ? undefined : `subject common name does not begin with ${NODE}`;
};

/** The signers that every cluster has (certificates.k8s.io, "Kubernetes signers"). */
const signers: Readonly<Record<string, Rules>> = {
  'kubernetes.io/kube-apiserver-client': {
    required: ['client auth'],
    allowed: [...common, 'client auth'],
    check: () => undefined,
  },
  'kubernetes.io/kube-apiserver-client-kubelet': {
    required: ['digital signature', 'client auth'],
    allowed: [...common, 'client auth'],
    check: (subject) =>
      ofNode(subject) ?? (subject.names.length > 0 ? 'no subject alternative names are allowed' : undefined),
  },
  'kubernetes.io/kubelet-serving': {
    required: ['digital signature', 'server auth'],
    allowed: [...common, 'server auth'],
    check: (subject) => {
      const kinds = subject.names.map(({ type }) => type);
      if (kinds.length === 0) return 'at least one DNS or IP subject alternative name is required';
      return kinds.every((kind) => kind === 'dns' || kind === 'ip')
        ? ofNode(subject)
        : 'only DNS and IP names are allowed';
    },
  },
};

export const isOurs = ({ spec }: CertificateSigningRequest): boolean => signers[spec?.signerName ?? ''] !== undefined;

/** Why the signer must not sign this. */
export function problemOf({ spec }: CertificateSigningRequest, subject: CertificateSubject): string | undefined {
  const rules = signers[spec?.signerName ?? ''];
  if (!rules) return `no signer is named ${spec?.signerName}`;
  const usages = spec?.usages ?? [];
  const missing = rules.required.filter((usage) => !usages.includes(usage));
  const surplus = usages.filter((usage) => !rules.allowed.includes(usage));
  if (missing.length > 0) return `usages must include ${missing.join(', ')}`;
  if (surplus.length > 0) return `usages must not include ${surplus.join(', ')}`;
  return rules.check(subject);
}

export interface ApprovalRule {
  /** Of `certificatesigningrequests`: who may create it gets what they ask for. */
  readonly subresource: string;
  readonly message: string;
}

/** By which rights a request is approved without anybody's word: those of kubelets for client certificates. */
export function approvalRules({ spec }: CertificateSigningRequest, subject: CertificateSubject): ApprovalRule[] {
  if (spec?.signerName !== 'kubernetes.io/kube-apiserver-client-kubelet') return [];
  const own = {
    subresource: 'selfnodeclient',
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  };
  const others = {
    subresource: 'nodeclient',
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
  };
  return spec.username === subject.commonName ? [own, others] : [others];
}
