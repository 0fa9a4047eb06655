import type { FieldError } from '../../kind.ts';
import type { Ingress } from '../../types.ts';
import { isLegacyAddress } from '../addresses.ts';
import { validateIngressPoints } from '../balancer-status.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { each, invalid, named, oneOf, required, ruled } from '../errors.ts';
import { dnsLabel, dnsSubdomain, portName, portNumber, wildcardSubdomain } from '../names.ts';
import { validateObjectName } from '../object-name.ts';

type Spec = NonNullable<Ingress['spec']>;
type Rule = NonNullable<Spec['rules']>[number];
type Path = NonNullable<Rule['http']>['paths'][number];
type Backend = NonNullable<Spec['defaultBackend']>;

const shown = 3;
const classAnnotation = 'kubernetes.io/ingress.class';
/** Spellings that proxies read differently, and so can be used to reach what a rule does not mean. */
const badSequences = ['//', '/./', '/../', '%2f', '%2F'];
const badEndings = ['/..', '/.'];

export const ingress = defineKind<Ingress>({
  group: 'networking.k8s.io',
  kind: 'Ingress',
  plural: 'ingresses',
  namespaced: true,
  shortNames: ['ing'],
  hasStatus: true,
  generation: true,
  prepareForCreate(object) {
    object.status = { loadBalancer: {} };
  },
  validate({ metadata, spec, status }, old, subresource): FieldError[] {
    if (subresource === 'status') {
      return validateIngressPoints(status?.loadBalancer?.ingress, old?.status?.loadBalancer?.ingress);
    }
    const wrongClass = spec?.ingressClassName === undefined ? undefined : dnsSubdomain(spec.ingressClassName);
    const nothing = !spec?.rules?.length && !spec?.defaultBackend;
    return [
      ...(nothing
        ? [invalid('spec', spec?.rules ?? null, 'either `defaultBackend` or `rules` must be specified')]
        : []),
      ...(spec?.defaultBackend ? validateBackend(spec.defaultBackend, 'spec.defaultBackend') : []),
      ...(wrongClass ? [invalid('spec.ingressClassName', spec?.ingressClassName, wrongClass)] : []),
      ...(spec?.rules ?? []).flatMap((rule, i) => validateRule(rule, `spec.rules[${i}]`)),
      ...each(spec?.tls, 'spec.tls', ({ hosts, secretName }, at) => [
        ...each(hosts, `${at}.hosts`, validateHostName),
        ...(secretName ? named(`${at}.secretName`, secretName, dnsSubdomain) : []),
      ]),
      ...(old ? [] : validateOneClass(metadata?.annotations?.[classAnnotation], spec?.ingressClassName)),
    ];
  },
  columns: [
    nameColumn,
    text('Class', ({ spec }) => spec?.ingressClassName ?? '<none>', 'Who serves it.'),
    text('Hosts', ({ spec }) => formatHosts(spec?.rules ?? []), 'Names that it answers to.'),
    text('Address', addressOf, 'Where it is reached.'),
    text('Ports', ({ spec }) => (spec?.tls?.length ? '80, 443' : '80'), 'Ports that it is reached at.'),
    ageColumn,
  ],
});

/** Of an Ingress that names its class in the old way, too. */
function validateOneClass(annotation: string | undefined, className: string | undefined): FieldError[] {
  if (annotation === undefined || className === undefined || annotation === className) return [];
  // Kubernetes, too, leaves out that annotations stand in `metadata`.
  const field = `annotations.${classAnnotation}`;
  return [invalid(field, annotation, 'must match `ingressClassName` when both are specified')];
}

function validateRule(rule: Rule, field: string): FieldError[] {
  const paths = rule.http?.paths ?? [];
  return [
    ...(rule.host ? validateHost(rule.host, `${field}.host`) : []),
    ...(rule.http && paths.length === 0 ? [required(`${field}.http.paths`)] : []),
    ...paths.flatMap((path, i) => validatePath(path, `${field}.http.paths[${i}]`)),
  ];
}

function validateHost(host: string, field: string): FieldError[] {
  const isAddress = isLegacyAddress(host);
  return [
    ...(isAddress ? [invalid(field, host, 'must be a DNS name, not an IP address')] : []),
    ...validateHostName(host, field),
  ];
}

function validateHostName(host: string, field: string): FieldError[] {
  const wrong = host.includes('*') ? wildcardSubdomain(host) : dnsSubdomain(host);
  return wrong ? [invalid(field, host, wrong)] : [];
}

function validatePath({ path = '', pathType, backend }: Path, field: string): FieldError[] {
  return [...validatePathText(path, pathType, field), ...validateBackend(backend ?? {}, `${field}.backend`)];
}

function validatePathText(path: string, pathType: string | undefined, field: string): FieldError[] {
  if (pathType === undefined) return [required(`${field}.pathType`, 'pathType must be specified')];
  const unknown = oneOf(`${field}.pathType`, pathType, ['Exact', 'ImplementationSpecific', 'Prefix']);
  if (unknown.length > 0) return unknown;
  const mayBeEmpty = pathType === 'ImplementationSpecific' && path === '';
  if (!mayBeEmpty && !path.startsWith('/')) return [invalid(`${field}.path`, path, 'must be an absolute path')];
  if (pathType === 'ImplementationSpecific') return [];
  const sequence = badSequences.find((bad) => path.includes(bad));
  const ending = badEndings.find((bad) => path.endsWith(bad));
  return [
    ...(sequence ? [invalid(`${field}.path`, path, `must not contain '${sequence}'`)] : []),
    ...(ending ? [invalid(`${field}.path`, path, `cannot end with '${ending}'`)] : []),
  ];
}

function validateBackend({ service, resource }: Backend, field: string): FieldError[] {
  if (service && resource) return [invalid(field, '', 'cannot set both resource and service backends')];
  if (resource) return validateObjectName(resource, `${field}.resource`);
  if (!service) return [invalid(field, '', 'resource or service backend is required')];
  const wrongName = service.name ? dnsLabel(service.name) : undefined;
  return [
    ...(service.name ? [] : [required(`${field}.service.name`)]),
    ...(wrongName ? [invalid(`${field}.service.name`, service.name, wrongName)] : []),
    ...validateBackendPort(service.port, field),
  ];
}

type BackendPort = NonNullable<Backend['service']>['port'];

function validateBackendPort(port: BackendPort, field: string): FieldError[] {
  const { name, number } = port ?? {};
  if (name && number) return [invalid(field, '', 'cannot set both port name & port number')];
  if (!name && !number) return [required(field, 'port name or number is required')];
  if (name) return ruled(`${field}.service.port.name`, name, portName);
  const wrong = portNumber(number ?? 0);
  return wrong ? [invalid(`${field}.service.port.number`, number, wrong)] : [];
}

function formatHosts(rules: readonly Rule[]): string {
  const named = rules.flatMap(({ host }, index) => (host ? [{ host, index }] : []));
  if (named.length === 0) return '*';
  const last = named.slice(0, shown).at(-1);
  // Kubernetes counts rules without a host with those that it leaves out, but only behind as many as it shows.
  const isCut = named.length >= shown && last !== undefined && last.index < rules.length - 1;
  const hosts = named.slice(0, shown).map(({ host }) => host);
  return `${hosts.join(',')}${isCut ? ` + ${rules.length - shown} more...` : ''}`;
}

function addressOf({ status }: Ingress): string {
  const given = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter(Boolean);
  return [...new Set(given)].sort().join(',');
}
