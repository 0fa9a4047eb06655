import type { FieldError } from '../../kind.ts';
import { formatTime } from '../../schema/time.ts';
import type { APIService } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { allMetadata, defineKind } from '../define.ts';
import { all, each, invalid, oneOf, required, ruled } from '../errors.ts';
import { dnsLabel1035, dnsSubdomain, faults, pathSegment, portNumber } from '../names.ts';

function availability({ status }: APIService): string {
  const condition = status?.conditions?.find(({ type }) => type === 'Available');
  if (!condition) return 'Unknown';
  return condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason})`;
}

const serviceOf = ({ spec }: APIService): string =>
  spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local';

export const apiService = defineKind<APIService>({
  group: 'apiregistration.k8s.io',
  kind: 'APIService',
  plural: 'apiservices',
  namespaced: false,
  keptByStatus: allMetadata,
  needsVersion: true,
  // `v1.` is that of the core group.
  nameRule: pathSegment,
  definition: 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService',
  categories: ['api-extensions'],
  hasStatus: true,
  anyFinalizer: true,
  columns: [
    nameColumn,
    text('Service', serviceOf, 'The Service that answers, or Local for this server.'),
    text('Available', availability, 'Whether it answers.'),
    ageColumn,
  ],
  setDefaults({ spec }) {
    if (spec?.service) spec.service.port ??= 443;
  },
  prepareForCreate(service) {
    if (!service.spec?.service) service.status = localStatus();
  },
  validate(service, _old, subresource) {
    if (subresource === 'status') return validateStatus(service);
    const { metadata, spec = emptySpec } = service;
    return all(validateName(metadata?.name ?? '', spec), validateGroup(spec), validateSpec(spec));
  },
});

type Spec = NonNullable<APIService['spec']>;

const emptySpec: Spec = { groupPriorityMinimum: 0, versionPriority: 0 };

/** That of a service which this server answers itself. */
export function localStatus(): NonNullable<APIService['status']> {
  const lastTransitionTime = formatTime(new Date());
  const message = 'Local APIServices are always available';
  return { conditions: [{ type: 'Available', status: 'True', reason: 'Local', message, lastTransitionTime }] };
}

function validateName(name: string, { version, group }: Spec): FieldError[] {
  const wanted = `${version ?? ''}.${group ?? ''}`;
  if (name === wanted || faults(pathSegment, name).length > 0) return [];
  const detail = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`;
  return [invalid('metadata.name', name, detail)];
}

function validateGroup({ group, version }: Spec): FieldError[] {
  if (group) return ruled('spec.group', group, dnsSubdomain);
  const detail = 'only v1 may have an empty group and it better be legacy kube';
  return version === 'v1' ? [] : [required('spec.group', detail)];
}

function validateSpec(spec: Spec): FieldError[] {
  const { version, groupPriorityMinimum = 0, versionPriority = 0 } = spec;
  const errors = ruled('spec.version', version ?? '', dnsLabel1035);
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > 20_000) {
    const detail = 'must be positive and less than 20000';
    errors.push(invalid('spec.groupPriorityMinimum', groupPriorityMinimum, detail));
  }
  if (versionPriority <= 0 || versionPriority > 1000) {
    errors.push(invalid('spec.versionPriority', versionPriority, 'must be positive and less than 1000'));
  }
  return [...errors, ...(spec.service ? validateService(spec, spec.service) : validateLocal(spec))];
}

function validateLocal({ caBundle, insecureSkipTLSVerify }: Spec): FieldError[] {
  const errors: FieldError[] = [];
  if (caBundle) {
    const size = `${Buffer.from(caBundle, 'base64').length} bytes`;
    errors.push(invalid('spec.caBundle', size, 'local APIServices may not have a caBundle'));
  }
  if (insecureSkipTLSVerify) {
    const detail = 'local APIServices may not have insecureSkipTLSVerify';
    errors.push(invalid('spec.insecureSkipTLSVerify', true, detail));
  }
  return errors;
}

function validateService(
  { caBundle, insecureSkipTLSVerify }: Spec,
  { namespace, name, port = 443 }: NonNullable<Spec['service']>,
): FieldError[] {
  const errors: FieldError[] = [];
  const wrongPort = portNumber(port);
  if (!namespace) errors.push(required('spec.service.namespace'));
  if (!name) errors.push(required('spec.service.name'));
  if (wrongPort) errors.push(invalid('spec.service.port', port, `port is not valid: ${wrongPort}`));
  if (insecureSkipTLSVerify && caBundle) {
    errors.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'));
  }
  return errors;
}

const validateStatus = ({ status }: APIService): FieldError[] =>
  each(status?.conditions, 'status.conditions', (condition, field) =>
    oneOf(`${field}.status`, condition?.status, ['True', 'False', 'Unknown']),
  );
