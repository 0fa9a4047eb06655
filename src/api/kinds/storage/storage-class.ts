import type { FieldError } from '../../kind.ts';
import type { StorageClass } from '../../types.ts';
import { ageColumn, nameColumn, text } from '../columns.ts';
import { defineKind } from '../define.ts';
import { duplicate, each, notSupported, required, ruled, unchanged } from '../errors.ts';
import { qualifiedName } from '../names.ts';

const defaultMarks = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

export const storageClass = defineKind<StorageClass>({
  group: 'storage.k8s.io',
  kind: 'StorageClass',
  plural: 'storageclasses',
  namespaced: false,
  shortNames: ['sc'],
  setDefaults(object) {
    object.reclaimPolicy ??= 'Delete';
    object.volumeBindingMode ??= 'Immediate';
  },
  validate(object, old): FieldError[] {
    return [
      ...validateProvisioner(object.provisioner, 'provisioner'),
      ...validateChoice('reclaimPolicy', object.reclaimPolicy, ['Delete', 'Retain']),
      ...validateChoice('volumeBindingMode', object.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
      ...validateTopologies(object.allowedTopologies),
      ...(old ? validateUpdate(object, old) : []),
    ];
  },
  columns: [
    { ...nameColumn, cell: (one: StorageClass) => `${one.metadata?.name ?? ''}${isDefault(one) ? ' (default)' : ''}` },
    text('Provisioner', ({ provisioner }) => provisioner ?? '', 'Who makes its volumes.'),
    text(
      'ReclaimPolicy',
      ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete',
      'What becomes of a volume without its claim.',
    ),
    text(
      'VolumeBindingMode',
      ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate',
      'When a claim gets its volume.',
    ),
    text(
      'AllowVolumeExpansion',
      ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false,
      'Whether its volumes can grow.',
    ),
    ageColumn,
  ],
});

function isDefault({ metadata }: StorageClass): boolean {
  return defaultMarks.some((mark) => metadata?.annotations?.[mark] === 'true');
}

/** Who makes volumes: a name, which may have capitals. */
export function validateProvisioner(provisioner: string | undefined, field: string): FieldError[] {
  return provisioner ? ruled(field, provisioner.toLowerCase(), qualifiedName) : [required(field)];
}

type Topology = NonNullable<StorageClass['allowedTopologies']>[number];

/** Where volumes may be: no place is named twice. */
function validateTopologies(topologies: readonly Topology[] = []): FieldError[] {
  const terms = topologies.map(termOf);
  return each(topologies, 'allowedTopologies', ({ matchLabelExpressions = [] }, field, i) => {
    const at = `${field}.matchLabelExpressions`;
    const again = terms.indexOf(terms[i] ?? '') < i;
    return [
      ...each(matchLabelExpressions, at, ({ key = '', values = [] }, one, j) => {
        const keyAgain = matchLabelExpressions.findIndex((other) => (other.key ?? '') === key) < j;
        return [
          ...(values.length === 0 ? [required(`${one}.values`)] : []),
          ...each(values, `${one}.values`, (value, place, k) =>
            values.indexOf(value) < k ? [duplicate(place, value)] : [],
          ),
          ...ruled(`${one}.key`, key, qualifiedName),
          ...(keyAgain ? [duplicate(`${one}.key`, key)] : []),
        ];
      }),
      ...(again ? [duplicate(at, '')] : []),
    ];
  });
}

/** The same text for terms that say the same. */
function termOf({ matchLabelExpressions = [] }: Topology): string {
  return JSON.stringify(matchLabelExpressions.map(({ key = '', values = [] }) => [key, [...values].sort()]).sort());
}

function validateChoice(field: string, value: string | undefined, supported: readonly string[]): FieldError[] {
  return supported.includes(value ?? '') ? [] : [notSupported(field, value ?? '', supported)];
}

function validateUpdate(object: StorageClass, old: StorageClass): FieldError[] {
  const fixed = ['parameters', 'reclaimPolicy', 'volumeBindingMode'] as const;
  return [
    ...fixed.flatMap((field) => unchanged(field, object[field], old[field])),
    ...unchanged('provisioner', object.provisioner ?? '', old.provisioner),
  ];
}
