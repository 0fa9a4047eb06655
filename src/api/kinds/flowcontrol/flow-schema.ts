import type { FieldError } from '../../kind.ts';
import type { FlowSchema } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { allMetadata, defineKind } from '../define.ts';
import { invalid, notSupported, required, ruled, sameValue } from '../errors.ts';
import { dnsSubdomain } from '../names.ts';
import { validateConditionTypes } from '../status.ts';
import { defaultFlowSchemas, isMandatory } from './defaults.ts';
import { validateRule } from './rules.ts';

const defaultPrecedence = 1000;
const maxPrecedence = 10_000;

export const flowSchema = defineKind<FlowSchema>({
  group: 'flowcontrol.apiserver.k8s.io',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  definition: 'io.k8s.api.flowcontrol.v1.FlowSchema',
  namespaced: false,
  keptByStatus: allMetadata,
  hasStatus: true,
  generation: true,
  setDefaults({ spec }) {
    if (spec) spec.matchingPrecedence ||= defaultPrecedence;
  },
  validate({ metadata, spec, status }, _old, subresource): FieldError[] {
    if (subresource === 'status') return validateConditionTypes(status?.conditions, 'status.conditions');
    const name = metadata?.name ?? '';
    const level = spec?.priorityLevelConfiguration?.name;
    const method = spec?.distinguisherMethod && (spec.distinguisherMethod.type ?? '');
    return [
      ...validatePrecedence(name, spec?.matchingPrecedence ?? 0),
      ...(method === undefined || ['ByUser', 'ByNamespace'].includes(method)
        ? []
        : [notSupported('spec.distinguisherMethod.type', { Type: method }, ['ByNamespace', 'ByUser'])]),
      ...(level
        ? ruled('spec.priorityLevelConfiguration.name', level, dnsSubdomain)
        : [required('spec.priorityLevelConfiguration.name', 'must reference a priority level')]),
      ...(spec?.rules ?? []).flatMap((rule, i) => validateRule(rule, `spec.rules[${i}]`)),
      ...validateFixed(name, spec),
    ];
  },
  columns: [
    nameColumn,
    text('PriorityLevel', ({ spec }) => spec?.priorityLevelConfiguration?.name ?? '', 'Whose seats its requests take.'),
    text('MatchingPrecedence', ({ spec }) => spec?.matchingPrecedence ?? 0, 'The smaller is asked first.'),
    text('DistinguisherMethod', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>', 'What makes a flow.'),
    ageColumn,
    text('MissingPL', missingLevel, 'Whether its priority level is not there.'),
  ],
});

function missingLevel({ status }: FlowSchema): string {
  return status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?';
}

function validateFixed(name: string, spec: FlowSchema['spec']): FieldError[] {
  const fixed = isMandatory(name) && defaultFlowSchemas.find(({ metadata }) => metadata?.name === name);
  if (!fixed || sameValue(spec, fixed.spec)) return [];
  return [invalid('spec', spec, `spec of '${name}' must equal the fixed value`)];
}

function validatePrecedence(name: string, precedence: number): FieldError[] {
  const wrong = (detail: string) => [invalid('spec.matchingPrecedence', precedence, detail)];
  if (precedence === 1 && name !== 'exempt') {
    return wrong("only the schema named 'exempt' may have matchingPrecedence 1");
  }
  if (precedence <= 0) return wrong('must be a positive value');
  return precedence > maxPrecedence ? wrong(`must not be greater than ${maxPrecedence}`) : [];
}
