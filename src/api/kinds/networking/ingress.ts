import { isIP } from 'node:net';
import type { FieldError } from '../../kind.ts';
import type { Ingress } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { forbidden, invalid, oneOf, required } from '../errors.ts';
import { dnsLabel, dnsSubdomain, portName, portNumber, wildcardSubdomain } from '../names.ts';

type Spec = NonNullable<Ingress['spec']>;
type Rule = NonNullable<Spec['rules']>[number];
type Path = NonNullable<Rule['http']>['paths'][number];
type Backend = NonNullable<Spec['defaultBackend']>;

const shown = 3;
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
  validate({ spec }): FieldError[] {
    const wrongClass = spec?.ingressClassName === undefined ? undefined : dnsSubdomain(spec.ingressClassName);
    const nothing = !spec?.rules?.length && !spec?.defaultBackend;
    return [
      ...(nothing ? [invalid('spec', spec?.rules ?? [], 'either `defaultBackend` or `rules` must be specified')] : []),
      ...(spec?.defaultBackend ? validateBackend(spec.defaultBackend, 'spec.defaultBackend') : []),
      ...(wrongClass ? [invalid('spec.ingressClassName', spec?.ingressClassName, wrongClass)] : []),
      ...(spec?.rules ?? []).flatMap((rule, i) => validateRule(rule, `spec.rules[${i}]`)),
      ...(spec?.tls ?? []).flatMap(({ hosts }, i) =>
        (hosts ?? []).flatMap((host, j) => validateHost(host, `spec.tls[${i}].hosts[${j}]`)),
      ),
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

function validateRule(rule: Rule, field: string): FieldError[] {
  const paths = rule.http?.paths ?? [];
  return [
    ...(rule.host ? validateHost(rule.host, `${field}.host`) : []),
    ...(rule.http && paths.length === 0 ? [required(`${field}.http.paths`)] : []),
    ...paths.flatMap((path, i) => validatePath(path, `${field}.http.paths[${i}]`)),
  ];
}

function validateHost(host: string, field: string): FieldError[] {
  if (isIP(host) !== 0) return [invalid(field, host, 'must be a DNS name, not an IP address')];
  const wrong = host.includes('*') ? wildcardSubdomain(host) : dnsSubdomain(host);
  return wrong ? [invalid(field, host, wrong)] : [];
}

function validatePath({ path = '', pathType, backend }: Path, field: string): FieldError[] {
  return [
    ...validatePathText(path, pathType, field),
    ...(backend ? validateBackend(backend, `${field}.backend`) : [required(`${field}.backend`)]),
  ];
}

function validatePathText(path: string, pathType: string | undefined, field: string): FieldError[] {
  if (!pathType) return [required(`${field}.pathType`, 'pathType must be specified')];
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
  if (resource) return [];
  if (!service) return [required(field, 'resource or service backend is required')];
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
  if (name && number) return [forbidden(field, 'cannot set both port name & port number')];
  if (!name && !number) return [required(field, 'port name or number is required')];
  const wrong = name ? portName(name) : portNumber(number ?? 0);
  return wrong ? [invalid(`${field}.service.port.${name ? 'name' : 'number'}`, name || number, wrong)] : [];
}

function formatHosts(rules: readonly Rule[]): string {
  const hosts = rules.slice(0, shown).flatMap(({ host }) => (host ? [host] : []));
  if (hosts.length === 0) return '*';
  const more = rules.length - shown;
  return `${hosts.join(',')}${more > 0 ? ` + ${more} more...` : ''}`;
}

function addressOf({ status }: Ingress): string {
  const given = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter(Boolean);
  return [...new Set(given)].sort().join(',');
}
