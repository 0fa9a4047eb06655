import { apiVersion, certificateSigningRequests, subjectAccessReviews } from '../../api/resource.ts';
import type { CertificateSigningRequest } from '../../api/types.ts';
import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/client.ts';
import type { Controller } from '../../client/controller.ts';
import type { ControllerContext } from '../context.ts';
import { timestamp } from '../time.ts';
import { approvalRules, type CertificateSubject, isOurs, problemOf } from './signers.ts';

type Request = CertificateSigningRequest;
type Condition = NonNullable<NonNullable<Request['status']>['conditions']>[number];

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
/** How long requests stay: those that were decided, and those that nobody has decided. */
const DECIDED_MS = HOUR_MS;
const PENDING_MS = 24 * HOUR_MS;

const has = ({ status }: Request, type: string): boolean =>
  status?.conditions?.some((condition) => condition.type === type) ?? false;

/** Approves requests of kubelets that may have them, signs what was approved, and removes what is old. */
export function startCertificateController(context: ControllerContext): Controller {
  const { client, informers, run, signer } = context;
  const requests = informers.informer(certificateSigningRequests);

  const controller = run({
    name: 'certificate-controller',
    informers: [requests],
    async sync(name) {
      const request = requests.get(name);
      if (!request) return;
      const isDecided = has(request, 'Approved') || has(request, 'Denied') || has(request, 'Failed');
      const born = Date.parse(request.metadata?.creationTimestamp ?? '');
      const left = born + (isDecided ? DECIDED_MS : PENDING_MS) - Date.now();
      if (left <= 0) return remove(request);
      controller.enqueueAfter(name, left + 1);
      if (
        !signer ||
        !isOurs(request) ||
        request.status?.certificate ||
        has(request, 'Denied') ||
        has(request, 'Failed')
      )
        return;
      const pem = Buffer.from(request.spec?.request ?? '', 'base64').toString();
      const subject = await signer.read(pem).catch((error: unknown) => messageOf(error));
      const problem = typeof subject === 'string' ? subject : problemOf(request, subject);
      if (has(request, 'Approved')) {
        if (problem === undefined) await sign(request, pem);
        else await fail(request, problem);
      } else if (typeof subject !== 'string' && problem === undefined) {
        await approveByRights(request, subject);
      }
    },
  });

  const sign = async (request: Request, pem: string): Promise<void> => {
    const { usages = [], expirationSeconds } = request.spec ?? {};
    const lifetimeMs = Math.min(YEAR_MS, (expirationSeconds ?? Number.POSITIVE_INFINITY) * 1000);
    const certificate = await signer?.sign({ request: pem, usages, lifetimeMs });
    if (!certificate) return;
    const status = { ...request.status, certificate: Buffer.from(certificate).toString('base64') };
    await client.updateStatus(certificateSigningRequests, { ...request, status });
  };

  const fail = async (request: Request, message: string): Promise<void> => {
    const status = withCondition(request, { type: 'Failed', reason: 'SignerValidationFailure', message });
    await client.updateStatus(certificateSigningRequests, { ...request, status });
  };

  const approveByRights = async (request: Request, subject: CertificateSubject): Promise<void> => {
    for (const { subresource, message } of approvalRules(request, subject)) {
      if (await mayCreate(request, subresource)) return approve(request, message);
    }
  };

  const mayCreate = async ({ spec }: Request, subresource: string): Promise<boolean> => {
    const { group, version, plural: resource } = certificateSigningRequests;
    const { username: user, uid, groups, extra } = spec ?? {};
    const resourceAttributes = { group, version, resource, verb: 'create', subresource };
    const { status } = await client.create(subjectAccessReviews, {
      apiVersion: apiVersion(subjectAccessReviews),
      kind: subjectAccessReviews.kind,
      spec: { user, uid, groups, extra, resourceAttributes },
    });
    return status?.allowed === true;
  };

  const approve = async (request: Request, message: string): Promise<void> => {
    const status = withCondition(request, { type: 'Approved', reason: 'AutoApproved', message });
    const path = `/apis/certificates.k8s.io/v1/certificatesigningrequests/${request.metadata?.name}/approval`;
    await client.raw('PUT', path, JSON.stringify({ ...request, status }));
  };

  const remove = async ({ metadata }: Request): Promise<void> => {
    const { name = '', uid } = metadata ?? {};
    await client.delete(certificateSigningRequests, { name }, { preconditions: { uid } }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  };

  requests.onChange((request) => {
    if (request) controller.enqueue(request.metadata?.name ?? '');
  });
  return controller;
}

function withCondition(
  { status }: Request,
  condition: Pick<Condition, 'type' | 'reason' | 'message'>,
): NonNullable<Request['status']> {
  const now = timestamp();
  const whole = { ...condition, status: 'True', lastUpdateTime: now, lastTransitionTime: now };
  return { ...status, conditions: [...(status?.conditions ?? []), whole] };
}
