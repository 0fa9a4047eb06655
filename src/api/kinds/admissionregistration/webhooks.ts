import type { FieldError, Kind } from '../../kind.ts';
import type { KubeObject, LabelSelector } from '../../types.ts';
import { ageColumn, integer, nameColumn } from '../columns.ts';
import { defineKind } from '../define.ts';
import { all, duplicate, each, invalid, oneOf, required, sameValue } from '../errors.ts';
import { validateLabelSelector } from '../label-selector.ts';
import { dnsSubdomain, faults } from '../names.ts';
import { isReviewed, validateReviewVersions } from '../review-versions.ts';
import { validateWebhookClient, type WebhookClient } from '../webhook-client.ts';
import { wrongExpressions } from './expressions.ts';
import { conditionExpressions, type MatchCondition, validateMatchConditions } from './match-conditions.ts';
import { matchPolicies } from './match-resources.ts';
import { reinvocationPolicies } from './mutating-policies.ts';
import { type Rule, setRuleDefaults, validateRule } from './rules.ts';

/** What both kinds of webhooks have. */
interface Webhook {
  name?: string;
  clientConfig?: WebhookClient;
  rules?: readonly Rule[];
  failurePolicy?: string;
  matchPolicy?: string;
  reinvocationPolicy?: string;
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  timeoutSeconds?: number;
  sideEffects?: string;
  admissionReviewVersions?: readonly string[];
  matchConditions?: readonly MatchCondition[];
}

interface WebhookConfiguration extends KubeObject {
  webhooks?: Webhook[];
}

const columns = [
  nameColumn,
  integer('Webhooks', ({ webhooks }: WebhookConfiguration) => (webhooks ?? []).length, 'How many it has.'),
  ageColumn,
];

export const validatingWebhookConfiguration = define('ValidatingWebhookConfiguration', setWebhookDefaults);

export const mutatingWebhookConfiguration = define('MutatingWebhookConfiguration', (webhook) => {
  setWebhookDefaults(webhook);
  webhook.reinvocationPolicy ??= 'Never';
});

function define(kind: string, setDefaults: (webhook: Webhook) => void): Kind<WebhookConfiguration> {
  return defineKind<WebhookConfiguration>({
    group: 'admissionregistration.k8s.io',
    kind,
    plural: `${kind.toLowerCase()}s`,
    namespaced: false,
    needsVersion: true,
    categories: ['api-extensions'],
    generation: true,
    columns,
    setDefaults: ({ webhooks }) => webhooks?.forEach(setDefaults),
    validate: ({ webhooks = [] }, old) => validateWebhooks(webhooks, rulesFor(webhooks, old)),
    async validateRules({ webhooks = [] }, old) {
      if (!rulesFor(webhooks, old).conditions) return [];
      const expressions = webhooks.flatMap(({ matchConditions }, index) =>
        conditionExpressions(matchConditions, `webhooks[${index}].matchConditions`),
      );
      return wrongExpressions(expressions, { params: false, variables: false });
    },
  });
}

function setWebhookDefaults(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  setRuleDefaults(webhook.rules);
  const { service } = webhook.clientConfig ?? {};
  if (service) service.port ??= 443;
}

/** The rules that came later: what broke one before may go on to do so. */
interface LaterRules {
  readonly uniqueNames: boolean;
  readonly noSideEffects: boolean;
  readonly knownVersions: boolean;
  readonly conditions: boolean;
}

function rulesFor(webhooks: readonly Webhook[], old: WebhookConfiguration | undefined): LaterRules {
  if (!old) return { uniqueNames: true, noSideEffects: true, knownVersions: true, conditions: true };
  const { webhooks: before = [] } = old;
  const conditionsOf = (list: readonly Webhook[]) => list.map(({ matchConditions = [] }) => matchConditions);
  return {
    uniqueNames: new Set(before.map(({ name }) => name)).size === before.length,
    noSideEffects: before.every(({ sideEffects = '' }) => withoutSideEffects.includes(sideEffects)),
    knownVersions: before.every(({ admissionReviewVersions = [] }) => isReviewed(admissionReviewVersions)),
    conditions: !sameValue(conditionsOf(webhooks), conditionsOf(before)),
  };
}

function validateWebhooks(webhooks: readonly Webhook[], rules: LaterRules): FieldError[] {
  return each(webhooks, 'webhooks', (webhook, path, index) =>
    all(
      validateWebhook(webhook, path, rules),
      validateReviewVersions(
        webhook.admissionReviewVersions ?? [],
        `${path}.admissionReviewVersions`,
        rules.knownVersions,
      ),
      rules.uniqueNames &&
        webhook.name &&
        webhooks.findIndex(({ name }) => name === webhook.name) < index && [duplicate(`${path}.name`, webhook.name)],
    ),
  );
}

function validateWebhook(webhook: Webhook, path: string, rules: LaterRules): FieldError[] {
  const { timeoutSeconds = 10, reinvocationPolicy } = webhook;
  return all(
    validateName(webhook.name, `${path}.name`),
    each(webhook.rules, `${path}.rules`, validateRule),
    oneOf(`${path}.failurePolicy`, webhook.failurePolicy, ['Fail', 'Ignore']),
    oneOf(`${path}.matchPolicy`, webhook.matchPolicy, matchPolicies),
    validateSideEffects(webhook.sideEffects, `${path}.sideEffects`, rules.noSideEffects),
    (timeoutSeconds < 1 || timeoutSeconds > 30) && [
      invalid(`${path}.timeoutSeconds`, timeoutSeconds, 'the timeout value must be between 1 and 30 seconds'),
    ],
    validateLabelSelector(webhook.namespaceSelector, `${path}.namespaceSelector`),
    validateLabelSelector(webhook.objectSelector, `${path}.objectSelector`),
    reinvocationPolicy !== undefined && oneOf(`${path}.reinvocationPolicy`, reinvocationPolicy, reinvocationPolicies),
    validateWebhookClient(webhook.clientConfig ?? {}, `${path}.clientConfig`),
    rules.conditions && validateMatchConditions(webhook.matchConditions ?? [], `${path}.matchConditions`),
  );
}

function validateName(name: string | undefined, field: string): FieldError[] {
  if (!name) return [required(field)];
  const wrong = faults(dnsSubdomain, name);
  if (wrong.length > 0) return [invalid(field, name, wrong.join(','))];
  if (name.split('.').length >= 3) return [];
  return [invalid(field, name, 'should be a domain with at least three segments separated by dots')];
}

const withoutSideEffects = ['None', 'NoneOnDryRun'];
const allSideEffects = ['None', 'NoneOnDryRun', 'Some', 'Unknown'];

function validateSideEffects(sideEffects: string | undefined, field: string, none: boolean): FieldError[] {
  const allowed = none ? withoutSideEffects : allSideEffects;
  if (sideEffects === undefined) return [required(field, `must specify one of ${allowed.join(', ')}`)];
  return oneOf(field, sideEffects, allowed);
}
