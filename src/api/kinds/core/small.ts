import type { Binding, ComponentStatus, PodTemplate } from '../../types.ts';
import { nameColumn, text } from '../columns.ts';
import { answeredOnly, defineKind } from '../define.ts';
import { formatLabels } from '../label-selector.ts';
import { setTemplateDefaults } from '../podspec/defaults.ts';
import { validatePodTemplate } from '../podspec/validate.ts';
import { containerColumns } from '../workload.ts';

// Kinds of core/v1 that are rarely met.

export const podTemplate = defineKind<PodTemplate>({
  group: '',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  namespaced: true,
  generation: true,
  setDefaults: ({ template }) => setTemplateDefaults(template),
  validate: ({ template }) => validatePodTemplate(template, 'template'),
  columns: [
    nameColumn,
    ...containerColumns<PodTemplate>(({ template }) => template).map((column) => ({ ...column, priority: 0 })),
    text('Pod Labels', ({ template }) => formatLabels(template?.metadata?.labels), 'Labels that its pods get.'),
  ],
});

export const componentStatus = defineKind<ComponentStatus>({
  group: '',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  namespaced: false,
  shortNames: ['cs'],
  verbs: ['get', 'list'],
  deprecation: 'v1 ComponentStatus is deprecated in v1.19+',
  columns: [
    nameColumn,
    text('Status', stateOf, 'Whether it is healthy.'),
    text('Message', (one) => healthy(one)?.message ?? '', 'What it says of itself.'),
    text('Error', (one) => healthy(one)?.error ?? '', 'What is wrong.'),
  ],
});

function stateOf(one: ComponentStatus): string {
  const { status } = healthy(one) ?? {};
  return status === undefined ? 'Unknown' : status === 'True' ? 'Healthy' : 'Unhealthy';
}

function healthy({ conditions }: ComponentStatus) {
  return conditions?.find((condition) => condition.type === 'Healthy');
}

export const binding = defineKind<Binding>({
  group: '',
  kind: 'Binding',
  plural: 'bindings',
  namespaced: true,
  verbs: answeredOnly,
});
