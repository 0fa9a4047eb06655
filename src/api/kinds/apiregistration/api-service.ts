import type { FieldError } from '../../kind.ts';
import type { APIService } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { allMetadata, defineKind } from '../define.ts';
import { invalid, required } from '../errors.ts';
import { pathSegment } from '../names.ts';

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
  validate({ metadata, spec }) {
    const errors: FieldError[] = [];
    const wanted = `${spec?.version}.${spec?.group}`;
    if (metadata?.name !== wanted) {
      const detail = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`;
      errors.push(invalid('metadata.name', metadata?.name ?? '', detail));
    }
    const { groupPriorityMinimum = 0, versionPriority = 0, service, caBundle, insecureSkipTLSVerify } = spec ?? {};
    if (groupPriorityMinimum <= 0 || groupPriorityMinimum > 20_000) {
      const detail = 'must be positive and less than 20000';
      errors.push(invalid('spec.groupPriorityMinimum', groupPriorityMinimum, detail));
    }
    if (versionPriority <= 0 || versionPriority > 1000) {
      errors.push(invalid('spec.versionPriority', versionPriority, 'must be positive and less than 1000'));
    }
    if (!service) return errors;
    if (!service.namespace) errors.push(required('spec.service.namespace'));
    if (!service.name) errors.push(required('spec.service.name'));
    if (insecureSkipTLSVerify && caBundle) {
      errors.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'));
    }
    return errors;
  },
});
