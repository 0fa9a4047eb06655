import type { FieldError } from '../../kind.ts';
import type { PriorityLevelConfiguration } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { allMetadata, defineKind } from '../define.ts';
import { all, forbidden, invalid, notSupported, required, sameValue } from '../errors.ts';
import { validateConditionTypes } from '../status.ts';
import { defaultPriorityLevels, isMandatory } from './defaults.ts';

type Spec = NonNullable<PriorityLevelConfiguration['spec']>;
type Limited = NonNullable<Spec['limited']>;
type Queuing = NonNullable<NonNullable<Limited['limitResponse']>['queuing']>;

const maxQueues = 10_000_000;
/** Of the hash by which a flow finds its queues. */
const maxBits = 60;
const defaultQueuing = { queues: 64, handSize: 8, queueLengthLimit: 50 };

export const priorityLevelConfiguration = defineKind<PriorityLevelConfiguration>({
  group: 'flowcontrol.apiserver.k8s.io',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  definition: 'io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration',
  namespaced: false,
  keptByStatus: allMetadata,
  hasStatus: true,
  generation: true,
  setDefaults({ spec }) {
    if (spec?.exempt) {
      spec.exempt.nominalConcurrencyShares ??= 0;
      spec.exempt.lendablePercent ??= 0;
    }
    if (!spec?.limited) return;
    spec.limited.nominalConcurrencyShares ??= 30;
    spec.limited.lendablePercent ??= 0;
    const { queuing } = spec.limited.limitResponse ?? {};
    if (queuing) for (const [key, value] of Object.entries(defaultQueuing)) queuing[key as keyof Queuing] ||= value;
  },
  validate({ metadata, spec, status }, _old, subresource): FieldError[] {
    if (subresource === 'status') return validateConditionTypes(status?.conditions, 'status.conditions');
    const name = metadata?.name ?? '';
    return all(
      validateName(name, spec?.type ?? ''),
      validateSpec(spec ?? { type: '' }),
      validateFixed(name, spec ?? { type: '' }),
    );
  },
  columns: [
    nameColumn,
    text('Type', ({ spec }) => spec?.type ?? '', 'Whether it has a limit.'),
    text('NominalConcurrencyShares', sharesOf, 'Its part of all seats.'),
    text('Queues', (level) => ofQueuing(level, 'queues'), 'How many queues wait for its seats.'),
    text('HandSize', (level) => ofQueuing(level, 'handSize'), 'How many of them a flow may use.'),
    text('QueueLengthLimit', (level) => ofQueuing(level, 'queueLengthLimit'), 'How many requests wait in each.'),
    ageColumn,
  ],
});

function sharesOf({ spec }: PriorityLevelConfiguration): number | string {
  return spec?.limited ? (spec.limited.nominalConcurrencyShares ?? 0) : '<none>';
}

function ofQueuing({ spec }: PriorityLevelConfiguration, field: keyof Queuing): number | string {
  const queuing = spec?.limited?.limitResponse?.queuing;
  return queuing ? (queuing[field] ?? 0) : '<none>';
}

/** There is one level without a limit. */
function validateName(name: string, type: string): FieldError[] {
  if ((name === 'exempt') === (type === 'Exempt')) return [];
  return [invalid('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'")];
}

/** What the level without a limit lends may be changed. */
function validateFixed(name: string, spec: Spec): FieldError[] {
  const fixed = isMandatory(name) && defaultPriorityLevels.find(({ metadata }) => metadata?.name === name)?.spec;
  if (!fixed || sameValue({ ...spec, exempt: fixed.exempt }, fixed)) return [];
  const except = fixed.exempt ? " except the 'spec.exempt' field" : '';
  return [invalid('spec', spec, `spec of '${name}'${except} must equal the fixed value`)];
}

function validateSpec({ type, limited, exempt }: Spec): FieldError[] {
  switch (type) {
    case 'Exempt':
      return all(
        limited && [forbidden('spec.limited', 'must be nil if the type is not Limited')],
        exempt && validateShares(exempt, 'spec.exempt'),
      );
    case 'Limited':
      return all(
        exempt && [forbidden('spec.exempt', 'must be nil if the type is Limited')],
        limited ? validateLimited(limited) : [required('spec.limited', 'must not be empty when type is Limited')],
      );
    default:
      return type ? [notSupported('spec.type', type, ['Exempt', 'Limited'])] : [required('spec.type')];
  }
}

interface Shares {
  readonly nominalConcurrencyShares?: number;
  readonly lendablePercent?: number;
}

function validateShares({ nominalConcurrencyShares: shares = 0, lendablePercent: lent = 0 }: Shares, at: string) {
  return all(
    shares < 0 && [invalid(`${at}.nominalConcurrencyShares`, shares, 'must be a non-negative integer')],
    (lent < 0 || lent > 100) && [invalid(`${at}.lendablePercent`, lent, 'must be between 0 and 100, inclusive')],
  );
}

function validateLimited(limited: Limited): FieldError[] {
  const { borrowingLimitPercent: borrowed, limitResponse } = limited;
  const at = 'spec.limited';
  return all(
    validateShares(limited, at),
    validateResponse(limitResponse, `${at}.limitResponse`),
    borrowed !== undefined &&
      borrowed < 0 && [
        invalid(`${at}.borrowingLimitPercent`, borrowed, 'if specified, must be a non-negative integer'),
      ],
  );
}

function validateResponse(response: Limited['limitResponse'], at: string): FieldError[] {
  const { type, queuing } = response ?? {};
  switch (type) {
    case 'Reject':
      return queuing ? [forbidden(`${at}.queuing`, 'must be nil if limited.limitResponse.type is not Limited')] : [];
    case 'Queue':
      return queuing
        ? validateQueuing(queuing, `${at}.queuing`)
        : [required(`${at}.queuing`, 'must not be empty if limited.limitResponse.type is Limited')];
    default:
      return type ? [notSupported(`${at}.type`, type, ['Queue', 'Reject'])] : [required(`${at}.type`)];
  }
}

function validateQueuing({ queues = 0, handSize = 0, queueLengthLimit = 0 }: Queuing, at: string): FieldError[] {
  const positive = Object.entries({ queueLengthLimit, queues, handSize }).flatMap(([field, value]) =>
    value > 0 ? [] : [invalid(`${at}.${field}`, value, 'must be positive')],
  );
  const bits = Math.ceil(Math.log2(queues) * handSize);
  const entropy = `required entropy bits of deckSize ${queues} and handSize ${handSize}`;
  return all(
    positive,
    queues > maxQueues && [invalid(`${at}.queues`, queues, `must not be greater than ${maxQueues}`)],
    handSize > 0 &&
      handSize > queues && [invalid(`${at}.handSize`, handSize, `should not be greater than queues (${queues})`)],
    handSize > 0 &&
      handSize <= queues &&
      bits > maxBits && [invalid(`${at}.handSize`, handSize, `${entropy} should not be greater than ${maxBits}`)],
  );
}
