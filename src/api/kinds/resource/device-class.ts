import type { FieldError } from '../../kind.ts';
import type { DeviceClass } from '../../types.ts';
import { defineKind } from '../define.ts';
import { configurationErrors, maxConfigs, selectorErrors, setErrors } from './requests.ts';

export const deviceClass = defineKind<DeviceClass>({
  group: 'resource.k8s.io',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  namespaced: false,
  generation: true,
  validate({ spec }): FieldError[] {
    const { selectors = [], config = [] } = spec ?? {};
    return [
      ...selectorErrors('spec.selectors', selectors),
      ...setErrors('spec.config', config, maxConfigs),
      ...config.flatMap((one, i) => configurationErrors(`spec.config[${i}]`, one)),
    ];
  },
});
