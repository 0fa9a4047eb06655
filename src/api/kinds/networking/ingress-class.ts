import type { FieldError } from '../../kind.ts';
import type { IngressClass } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { invalid, oneOf, required, unchanged } from '../errors.ts';
import { qualifiedName } from '../names.ts';

type Parameters = NonNullable<IngressClass['spec']>['parameters'];

export const ingressClass = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  namespaced: false,
  generation: true,
  setDefaults({ spec }) {
    if (spec?.parameters) spec.parameters.scope ||= 'Cluster';
  },
  validate({ spec }, old): FieldError[] {
    const controller = spec?.controller ?? '';
    const wrong = controller.includes('/')
      ? qualifiedName(controller)
      : 'must be a domain-prefixed path (such as "acme.io/foo")';
    return [
      ...(wrong ? [invalid('spec.controller', controller, wrong)] : []),
      ...validateParameters(spec?.parameters, 'spec.parameters'),
      ...(old ? unchanged('spec.controller', controller, old.spec?.controller ?? '') : []),
    ];
  },
  columns: [
    nameColumn,
    text('Controller', ({ spec }) => spec?.controller ?? '', 'Who serves Ingresses of this class.'),
    text('Parameters', formatParameters, 'Where its settings are.'),
    ageColumn,
  ],
});

function validateParameters(parameters: Parameters, field: string): FieldError[] {
  if (!parameters) return [];
  const { kind, name, scope, namespace } = parameters;
  return [
    ...(kind ? [] : [required(`${field}.kind`)]),
    ...(name ? [] : [required(`${field}.name`)]),
    ...oneOf(`${field}.scope`, scope, ['Cluster', 'Namespace']),
    ...(scope === 'Namespace' && !namespace
      ? [required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'")]
      : []),
  ];
}

function formatParameters({ spec }: IngressClass): string {
  const { kind, name, apiGroup } = spec?.parameters ?? {};
  return kind ? `${kind}${apiGroup ? `.${apiGroup}` : ''}/${name}` : '<none>';
}
