import type { FieldError, Kind } from '../../kind.ts';
import type { KubeObject } from '../../types.ts';
import { ageColumn, integer, nameColumn } from '../columns.ts';
import { defineKind } from '../define.ts';
import { duplicate, each, invalid, oneOf, required, ruled, tooMany } from '../errors.ts';
import { dnsLabel1035, dnsSubdomain, qualifiedName } from '../names.ts';
import { type OperationRule, validateOperationRule } from './rules.ts';

/** What both kinds of webhooks have. */
interface Webhook {
  name?: string;
  clientConfig?: { url?: string; service?: { name?: string; namespace?: string; port?: number } };
  rules?: (OperationRule & { scope?: string })[];
  failurePolicy?: string;
  matchPolicy?: string;
  reinvocationPolicy?: string;
  namespaceSelector?: object;
  objectSelector?: object;
  timeoutSeconds?: number;
  sideEffects?: string;
  admissionReviewVersions?: readonly string[];
  matchConditions?: readonly { readonly name?: string; readonly expression?: string }[];
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
    validate: ({ webhooks = [] }) => webhooks.flatMap((webhook, index) => validateWebhook(webhook, index, webhooks)),
    async validateRules({ webhooks = [] }) {
      const { admissionErrorOf } = await import('../../cel/admission.ts');
      return webhooks.flatMap(({ matchConditions = [] }, index) =>
        matchConditions.flatMap(({ expression = '' }, i) => {
          const wrong = expression && admissionErrorOf(expression);
          return wrong ? [invalid(`webhooks[${index}].matchConditions[${i}].expression`, expression, wrong)] : [];
        }),
      );
    },
  });
}

function setWebhookDefaults(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  const { service } = webhook.clientConfig ?? {};
  if (service) service.port ??= 443;
}

function validateWebhook(webhook: Webhook, index: number, all: readonly Webhook[]): FieldError[] {
  const path = `webhooks[${index}]`;
  const { name = '', clientConfig = {}, timeoutSeconds = 10, admissionReviewVersions = [] } = webhook;
  const errors: FieldError[] = [];
  const wrong =
    dnsSubdomain(name) ??
    (name.split('.').length < 3 ? 'should be a domain with at least three segments separated by dots' : undefined);
  if (name === '') errors.push(required(`${path}.name`));
  else if (wrong) errors.push(invalid(`${path}.name`, name, wrong));
  if (name !== '' && all.findIndex((each) => each.name === name) < index) errors.push(duplicate(`${path}.name`, name));
  if ((clientConfig.url === undefined) === (clientConfig.service === undefined)) {
    errors.push(required(`${path}.clientConfig`, 'exactly one of url or service is required'));
  }
  if (clientConfig.url !== undefined) errors.push(...validateUrl(clientConfig.url, `${path}.clientConfig.url`));
  if (timeoutSeconds < 1 || timeoutSeconds > 30) {
    const detail = 'the timeout value must be between 1 and 30 seconds';
    errors.push(invalid(`${path}.timeoutSeconds`, timeoutSeconds, detail));
  }
  if (admissionReviewVersions.length === 0) {
    const detail = 'must specify one of v1, v1beta1';
    errors.push(required(`${path}.admissionReviewVersions`, detail));
  } else if (!reviewVersions.some((version) => admissionReviewVersions.includes(version))) {
    const detail = `must include at least one of ${reviewVersions.join(', ')}`;
    errors.push(invalid(`${path}.admissionReviewVersions`, admissionReviewVersions, detail));
  }
  return [
    ...errors,
    ...validateMatchConditions(`${path}.matchConditions`, webhook.matchConditions ?? []),
    ...each(admissionReviewVersions, `${path}.admissionReviewVersions`, (version, at, i) =>
      admissionReviewVersions.indexOf(version) < i
        ? [invalid(at, version, 'duplicate version')]
        : ruled(at, version, dnsLabel1035),
    ),
    ...each(webhook.rules, `${path}.rules`, validateOperationRule),
    ...(webhook.sideEffects === undefined
      ? [required(`${path}.sideEffects`, 'must specify one of None, NoneOnDryRun')]
      : oneOf(`${path}.sideEffects`, webhook.sideEffects, ['None', 'NoneOnDryRun'])),
    ...(webhook.reinvocationPolicy === undefined
      ? []
      : oneOf(`${path}.reinvocationPolicy`, webhook.reinvocationPolicy, ['IfNeeded', 'Never'])),
    ...oneOf(`${path}.failurePolicy`, webhook.failurePolicy, ['Fail', 'Ignore']),
    ...oneOf(`${path}.matchPolicy`, webhook.matchPolicy, ['Equivalent', 'Exact']),
  ];
}

/** `https://host[/path]`; Kubernetes shows the part that is wrong. */
function validateUrl(url: string, field: string): FieldError[] {
  const [, scheme = '', place, path = ''] = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?(.*)$/is.exec(url) ?? [];
  const [user, host = ''] = place?.includes('@') ? place.split('@', 2) : [undefined, place];
  const form = '; desired format: https://host[/path]';
  const [beforeFragment = '', fragment] = path.split('#', 2);
  const query = beforeFragment.split('?')[1];
  return [
    ...(scheme === 'https' ? [] : [invalid(field, scheme, `'https' is the only allowed URL scheme${form}`)]),
    ...(host === '' ? [invalid(field, host, `host must be specified${form}`)] : []),
    ...(user ? [invalid(field, user, 'user information is not permitted in the URL')] : []),
    ...(fragment ? [invalid(field, fragment, 'fragments are not permitted in the URL')] : []),
    ...(query ? [invalid(field, query, 'query parameters are not permitted in the URL')] : []),
  ];
}

/** Forms of the question that Kubernetes knows. */
const reviewVersions = ['v1', 'v1beta1'];

const MAX_CONDITIONS = 64;

/** Expressions that must hold before anybody is asked. */
export function validateMatchConditions(
  path: string,
  conditions: NonNullable<Webhook['matchConditions']>,
): FieldError[] {
  if (conditions.length > MAX_CONDITIONS) return [tooMany(path, conditions.length, MAX_CONDITIONS)];
  return conditions.flatMap(({ name = '', expression = '' }, i) => {
    return [
      ...(name ? ruled(`${path}[${i}].name`, name, qualifiedName) : [required(`${path}[${i}].name`)]),
      ...(conditions.findIndex((each) => each.name === name) < i ? [duplicate(`${path}[${i}].name`, name)] : []),
      ...(expression.trim() ? [] : [required(`${path}[${i}].expression`)]),
    ];
  });
}
