import type { CertificateSigningRequest } from '../../api/types.ts';
import type { Answer } from '../answer.ts';
import type { Context } from '../context.ts';
import { objectAnswer, writeTargetOf } from '../registry/handlers.ts';
import { now, updateObject } from '../registry/write.ts';
import type { KindRequest } from '../request.ts';
import { readBodyAs } from './bodies.ts';

/** PUT certificatesigningrequests/NAME/approval: says whether it may be signed, and nothing else. */
export async function approveRequest(context: Context, request: KindRequest): Promise<Answer> {
  const given = await readBodyAs<CertificateSigningRequest>(request, request.kind.definition, request.kind.kind);
  const resourceVersion = given.metadata?.resourceVersion;
  const decided = (given.status?.conditions ?? []).map((condition) => ({
    ...condition,
    lastUpdateTime: condition.lastUpdateTime ?? now(),
    lastTransitionTime: condition.lastTransitionTime ?? now(),
  }));
  const approved = (current: CertificateSigningRequest): CertificateSigningRequest => ({
    ...current,
    metadata: { ...current.metadata, resourceVersion },
    status: { ...current.status, conditions: decided },
  });
  const target = { ...writeTargetOf(request), subresource: 'status' };
  const written = await updateObject(context, target, (current) => approved(current as CertificateSigningRequest), {
    retry: !resourceVersion,
  });
  return objectAnswer(request, written, 200);
}
