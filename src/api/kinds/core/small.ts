import type { Binding, ComponentStatus, PodTemplate } from '../../types.ts';
import { answeredOnly, defineKind } from '../define.ts';

export const podTemplate = defineKind<PodTemplate>({
  group: '',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  namespaced: true,
});

export const componentStatus = defineKind<ComponentStatus>({
  group: '',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  namespaced: false,
  shortNames: ['cs'],
  verbs: ['get', 'list'],
});

export const binding = defineKind<Binding>({
  group: '',
  kind: 'Binding',
  plural: 'bindings',
  namespaced: true,
  verbs: answeredOnly,
});
