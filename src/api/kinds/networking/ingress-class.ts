import { isDefaultIngressClass } from '../../ingress-classes.ts';
import type { FieldError } from '../../kind.ts';
import type { IngressClass } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { validateDomainPath } from '../domain-path.ts';
import { forbidden, invalid, oneOf, required, tooLong, unchanged } from '../errors.ts';
import { dnsLabel } from '../names.ts';
import { validateObjectName } from '../object-name.ts';

const maxControllerBytes = 250;

type Parameters = NonNullable<IngressClass['spec']>['parameters'];

export const ingressClass = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  namespaced: false,
  generation: true,
  setDefaults({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
  },
  validate({ spec }, old): FieldError[] {
    const controller = spec?.controller ?? '';
    return [
      ...(Buffer.byteLength(controller) > maxControllerBytes ? [tooLong('spec.controller', maxControllerBytes)] : []),
      ...validateDomainPath(controller, 'spec.controller'),
      ...validateParameters(spec?.parameters, 'spec.parameters'),
      ...(old ? unchanged('spec.controller', controller, old.spec?.controller ?? '') : []),
    ];
  },
  columns: [
    {
      ...nameColumn,
      cell: (one: IngressClass) => `${one.metadata?.name ?? ''}${isDefaultIngressClass(one) ? ' (default)' : ''}`,
    },
    text('Controller', ({ spec }) => spec?.controller ?? '', 'Who serves Ingresses of this class.'),
    text('Parameters', formatParameters, 'Where its settings are.'),
    ageColumn,
  ],
});

function validateParameters(parameters: Parameters, field: string): FieldError[] {
  if (!parameters) return [];
  const { scope, namespace } = parameters;
  return [
    ...validateObjectName(parameters, field),
    ...oneOf(`${field}.scope`, scope, ['Cluster', 'Namespace']),
    ...validateNamespace(scope, namespace, `${field}.namespace`),
  ];
}

function validateNamespace(scope: string | undefined, namespace: string | undefined, field: string): FieldError[] {
  if (scope === 'Cluster' && namespace !== undefined) {
    return [forbidden(field, "`parameters.scope` is set to 'Cluster'")];
  }
  if (scope !== 'Namespace') return [];
  if (namespace === undefined) return [required(field, "`parameters.scope` is set to 'Namespace'")];
  const wrong = dnsLabel(namespace);
  return wrong ? [invalid(field, namespace, wrong)] : [];
}

function formatParameters({ spec }: IngressClass): string {
  const { kind, name, apiGroup } = spec?.parameters ?? {};
  return kind ? `${kind}${apiGroup === undefined ? '' : `.${apiGroup}`}/${name}` : '<none>';
}
