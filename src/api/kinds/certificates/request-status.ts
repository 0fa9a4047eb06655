import type { FieldError } from '../../kind.ts';
import { formatTime } from '../../schema/time.ts';
import type { CertificateSigningRequest } from '../../types.ts';
import { all, duplicate, each, forbidden, invalid, oneOf, required, sameValue } from '../errors.ts';

type Status = NonNullable<CertificateSigningRequest['status']>;
type Condition = NonNullable<Status['conditions']>[number];

const field = 'status.conditions';
/** Who may approve decides about these, and nobody else. */
const decisions = ['Approved', 'Denied'];

const conditionsOf = (status: Status, type?: string) =>
  (status.conditions ?? []).filter((one) => type === undefined || one.type === type);

/** Fills in when conditions came, and leaves decisions as they are where they are not what is written. */
export function completeStatus(status: Status, old: Status, isApproval: boolean): void {
  if (!isApproval) for (const type of decisions) keepDecisions(status, old, type);
  const now = formatTime(new Date());
  for (const condition of conditionsOf(status)) {
    condition.lastUpdateTime ??= now;
    const same = conditionsOf(old, condition.type).find((one) => one.status === condition.status);
    condition.lastTransitionTime ??= same?.lastTransitionTime ?? now;
  }
}

function keepDecisions(status: Status, old: Status, type: string): void {
  const before = conditionsOf(old, type);
  if (before.length === 0 || before.length !== conditionsOf(status, type).length) return;
  status.conditions = conditionsOf(status).map((one) => (one.type === type ? (before.shift() ?? one) : one));
}

export function validateRequestStatus(status: Status, old: Status, isApproval: boolean): FieldError[] {
  return all(
    each(status.conditions, field, (condition, at, i) => validateCondition(condition, conditionsOf(status), i, at)),
    [...decisions, 'Failed'].flatMap((type) =>
      conditionsOf(status, type).length < conditionsOf(old, type).length
        ? [forbidden(field, `updates may not remove a condition of type "${type}"`)]
        : [],
    ),
    isApproval ? [] : decisions.flatMap((type) => validateDecision(status, old, type)),
    validateCertificate(status.certificate, old.certificate, isApproval),
  );
}

function validateCondition(one: Condition, others: readonly Condition[], index: number, at: string): FieldError[] {
  const { type = '', status = '' } = one;
  const isSettled = [...decisions, 'Failed'].includes(type);
  const before = others.slice(0, index).map((other) => other.type);
  const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
  return all(
    type === '' && [required(`${at}.type`)],
    status === ''
      ? [required(`${at}.status`)]
      : oneOf(`${at}.status`, status, isSettled ? ['True'] : ['False', 'True', 'Unknown']),
    opposite !== undefined &&
      before.includes(opposite) && [invalid(field, type, 'Approved and Denied conditions are mutually exclusive')],
    before.includes(type) && [duplicate(`${at}.type`, type)],
  );
}

function validateDecision(status: Status, old: Status, type: string): FieldError[] {
  const [now, before] = [conditionsOf(status, type), conditionsOf(old, type)];
  if (now.length > before.length) return [forbidden(field, `updates may not add a condition of type "${type}"`)];
  if (now.length < before.length || sameValue(now, before)) return [];
  return [forbidden(field, `updates may not modify a condition of type "${type}"`)];
}

/** A certificate is given once, and not by who approves. */
function validateCertificate(now = '', old = '', isApproval: boolean): FieldError[] {
  const changes = now !== old;
  const wrong = changes ? pemError(Buffer.from(now, 'base64').toString('latin1')) : undefined;
  const at = 'status.certificate';
  return all(
    wrong !== undefined && [invalid(at, '<certificate data>', wrong)],
    changes && isApproval && [forbidden(at, 'updates may not set certificate content')],
    changes && !isApproval && old !== '' && [forbidden(at, 'updates may not modify existing certificate content')],
  );
}

function pemError(text: string): string | undefined {
  if (text === '') return undefined;
  const blocks = [...text.matchAll(/-----BEGIN ([^-\n]+)-----\r?\n([\s\S]*?)-----END \1-----/g)];
  if (blocks.length === 0) return 'must contain at least one CERTIFICATE PEM block';
  const [, other] = blocks.find(([, type]) => type !== 'CERTIFICATE') ?? [];
  if (other !== undefined) return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(other)}`;
  return blocks.some(([, , body = '']) => body.includes(':')) ? 'no PEM block headers are permitted' : undefined;
}
