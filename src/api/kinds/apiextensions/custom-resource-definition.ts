import type { FieldError } from '../../kind.ts';
import { unknownFormats } from '../../structural/formats.ts';
import type { JsonSchema } from '../../structural/json-schema.ts';
import type { CustomResourceDefinition } from '../../types.ts';
import { createdColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define.ts';
import { unchanged } from '../errors.ts';
import { conditionOf, setCondition } from './conditions.ts';

/** Keeps a definition until its objects are gone. */
export const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io';

export const customResourceDefinition = defineKind<CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
  needsVersion: true,
  definition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  hasStatus: true,
  generation: true,
  anyFinalizer: true,
  columns: [nameColumn, createdColumn],
  setDefaults(crd) {
    // What is held by value in Go is there in every object, whatever its author left out.
    crd.spec = { ...emptySpec, ...crd.spec };
    crd.spec.names = { ...emptySpec.names, ...crd.spec.names };
    const { spec } = crd;
    const { names } = spec;
    names.singular ||= names.kind?.toLowerCase();
    if (names.kind) names.listKind ||= `${names.kind}List`;
    spec.conversion ??= { strategy: 'None' };
    const { service } = spec.conversion.webhook?.clientConfig ?? {};
    if (service) service.port ??= 443;
  },
  prepareForCreate(crd) {
    crd.status = { acceptedNames: { kind: '', plural: '' }, storedVersions: storageVersionsOf(crd) };
  },
  prepareForUpdate(crd, _old, subresource) {
    const known = crd.status?.storedVersions ?? [];
    const storedVersions = [...new Set([...known, ...storageVersionsOf(crd)])];
    // Who writes the status says himself where objects may be stored, if anything.
    const isTold = subresource === 'status' && known.length > 0;
    if (!isTold) crd.status = { acceptedNames: emptySpec.names, ...crd.status, storedVersions };
  },
  prepareForDelete(crd) {
    const metadata = crd.metadata ?? {};
    if (metadata.deletionTimestamp) return;
    metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), CLEANUP])];
    setCondition(crd, {
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionPending',
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    });
  },
  warnings({ spec }) {
    const schemas = (spec?.versions ?? []).flatMap((version) => schemaOf(version) ?? []);
    const formats = [...new Set(schemas.flatMap(unknownFormats))];
    return formats.map((format) => `unrecognized format ${JSON.stringify(format)}`);
  },
  validate(crd, old, subresource) {
    if (!old || subresource === 'status') return [];
    return validateNamesKept(crd, old);
  },
  async validateRules(crd, old, subresource) {
    const { validateDefinition, validateNames } = await import('./validate.ts');
    if (subresource === 'status') return validateNames(crd.status?.acceptedNames, 'status.acceptedNames');
    return validateDefinition(crd, old);
  },
});

const emptySpec: CustomResourceDefinition['spec'] = {
  group: '',
  names: { kind: '', plural: '' },
  scope: '',
  versions: [],
};

type Version = CustomResourceDefinition['spec']['versions'][number];

/** The schema of a version, as it is on the wire. */
const schemaOf = (version: Version): JsonSchema | undefined =>
  version.schema?.openAPIV3Schema as JsonSchema | undefined;

/** There should be one; of several the first counts. */
const storageVersionsOf = ({ spec }: CustomResourceDefinition): string[] => {
  const version = spec.versions?.find((each) => each.storage);
  return version ? [version.name] : [];
};

/** Where objects are kept must not change under them. */
function validateNamesKept(crd: CustomResourceDefinition, old: CustomResourceDefinition): FieldError[] {
  const established = conditionOf(old, 'Established')?.status === 'True';
  return [
    ...(established ? unchanged('spec.scope', crd.spec.scope, old.spec.scope) : []),
    ...(established ? unchanged('spec.names.kind', crd.spec.names.kind, old.spec.names.kind) : []),
    ...unchanged('spec.group', crd.spec.group, old.spec.group),
    ...unchanged('spec.names.plural', crd.spec.names.plural, old.spec.names.plural),
  ];
}
