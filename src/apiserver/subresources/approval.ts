import type { CertificateSigningRequest, KubeObject } from '../../api/types.ts';
import type { Answer } from '../answer.ts';
import type { Context } from '../context.ts';
import { objectAnswer, writeTargetOf } from '../registry/handlers.ts';
import { updateObject } from '../registry/write.ts';
import type { KindRequest } from '../request.ts';
import { readBodyAs } from './bodies.ts';

/** PUT certificatesigningrequests/NAME/approval: says whether it may be signed, and nothing else. */
export async function approveRequest(context: Context, request: KindRequest): Promise<Answer> {
  const given = await readBodyAs<CertificateSigningRequest>(request, request.kind.definition, request.kind.kind);
  const resourceVersion = given.metadata?.resourceVersion;
  const approved = (current: CertificateSigningRequest): CertificateSigningRequest => ({
    ...current,
    metadata: { ...current.metadata, resourceVersion },
    status: { ...current.status, conditions: given.status?.conditions },
  });
  const change = (current: KubeObject) => approved(current as CertificateSigningRequest);
  const written = await updateObject(context, writeTargetOf(request), change, { retry: !resourceVersion });
  return objectAnswer(request, written, 200);
}
