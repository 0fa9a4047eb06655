import type { FieldError } from '../../kind.ts';
import type { HorizontalPodAutoscaler } from '../../types.ts';
import { all, forbidden, invalid, named, notSupported, required } from '../errors.ts';
import { dnsLabel, pathSegment } from '../names.ts';
import { amountOf } from '../podspec/resources.ts';
import { validateContainerResourceName } from '../resource-names.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
type Reference = Spec['scaleTargetRef'];
type Metric = NonNullable<Spec['metrics']>[number];
type Target = NonNullable<Metric['resource']>['target'];
type Identifier = NonNullable<Metric['pods']>['metric'];

/** Which object is meant; what is scaled has a group, what is described may be of the core. */
export function validateReference(
  reference: Reference | undefined,
  field: string,
  { groupRequired = false } = {},
): FieldError[] {
  const { kind, name, apiVersion = '' } = reference ?? {};
  const slashes = apiVersion.split('/').length - 1;
  const wrongVersion =
    slashes > 1
      ? `unexpected GroupVersion string: ${apiVersion}`
      : groupRequired && !/^[^/]/.test(slashes === 1 ? apiVersion : '') && 'apiVersion must specify API group';
  return all(
    named(`${field}.kind`, kind, pathSegment),
    named(`${field}.name`, name, pathSegment),
    wrongVersion && [invalid(`${field}.apiVersion`, apiVersion, wrongVersion)],
  );
}

type Source = 'object' | 'external' | 'pods' | 'resource' | 'containerResource';

/** In the order in which they are looked at: only the first that is there is. */
const sources: readonly (readonly [Source, string])[] = [
  ['object', 'Object'],
  ['external', 'External'],
  ['pods', 'Pods'],
  ['resource', 'Resource'],
  ['containerResource', 'ContainerResource'],
];
const metricTypes = sources.map(([, type]) => type).sort();

export function validateMetric(metric: Metric, field: string): FieldError[] {
  const { type = '' } = metric;
  const given = sources.map(([source]) => source).filter((source) => metric[source]);
  const [expected] = sources.find(([, name]) => name === type) ?? [];
  const others = given.length === 1 ? [] : given.filter((source) => source !== expected);
  return all(
    type === '' && [required(`${field}.type`, 'must specify a metric source type')],
    !expected && [notSupported(`${field}.type`, type, metricTypes)],
    given[0] && validateSource[given[0]](metric, `${field}.${given[0]}`),
    expected &&
      !metric[expected] && [required(`${field}.${expected}`, 'must populate information for the given metric source')],
    others.map((source) => forbidden(`${field}.${source}`, 'must populate the given metric source only')),
  );
}

const validateSource: Readonly<Record<Source, (metric: Metric, field: string) => FieldError[]>> = {
  object({ object }, field) {
    const { value, averageValue } = object?.target ?? {};
    const missing = required(`${field}.target.averageValue`, 'must set either a target value or averageValue');
    return all(
      validateReference(object?.describedObject, `${field}.describedObject`),
      validateMeasured(object, field),
      value === undefined && averageValue === undefined && [missing],
    );
  },
  external({ external }, field) {
    const { value, averageValue } = external?.target ?? {};
    const words = ['target value for metric', 'per-pod target'] as const;
    const missing = required(`${field}.target.averageValue`, `must set either a ${words[0]} or a ${words[1]}`);
    const both = forbidden(`${field}.target.value`, `may not set both a ${words[0]} and a ${words[1]}`);
    return all(
      validateMeasured(external, field),
      value === undefined && averageValue === undefined && [missing],
      value !== undefined && averageValue !== undefined && [both],
    );
  },
  pods({ pods }, field) {
    const missing = required(`${field}.target.averageValue`, 'must specify a positive target averageValue');
    return all(validateMeasured(pods, field), pods?.target?.averageValue === undefined && [missing]);
  },
  resource({ resource }, field) {
    return all(validateResourceName(resource?.name, field), validateUsage(resource?.target, `${field}.target`));
  },
  containerResource({ containerResource: source }, field) {
    return all(
      validateResourceName(source?.name, field),
      source?.name && validateContainerResourceName(source.name, `${field}.name`),
      source?.container
        ? named(`${field}.container`, source.container, dnsLabel)
        : [required(`${field}.container`, 'must specify a container')],
      validateUsage(source?.target, `${field}.target`),
    );
  },
};

function validateResourceName(name: string | undefined, field: string): FieldError[] {
  return name ? [] : [required(`${field}.name`, 'must specify a resource name')];
}

/** What a resource is used of: an amount, or a share of what was requested. */
function validateUsage(target: Target | undefined, field: string): FieldError[] {
  const { averageUtilization, averageValue } = target ?? {};
  const words = 'a target raw value';
  return all(
    validateTarget(target, field),
    averageUtilization === undefined &&
      averageValue === undefined && [
        required(`${field}.averageUtilization`, `must set either ${words} or a target utilization`),
      ],
    averageUtilization !== undefined &&
      averageValue !== undefined && [
        forbidden(`${field}.averageValue`, `may not set both ${words} and a target utilization`),
      ],
  );
}

function validateMeasured(source: { metric?: Identifier; target?: Target } | undefined, field: string): FieldError[] {
  const name = source?.metric?.name;
  return all(
    name
      ? named(`${field}.metric.name`, name, pathSegment)
      : [required(`${field}.metric.name`, 'must specify a metric name')],
    validateTarget(source?.target, `${field}.target`),
  );
}

function validateTarget(target: Target | undefined, field: string): FieldError[] {
  const { type = '', averageUtilization: share } = target ?? {};
  const isKnown = ['Utilization', 'Value', 'AverageValue'].includes(type);
  return all(
    type === '' && [required(`${field}.type`, 'must specify a metric target type')],
    !isKnown && [invalid(`${field}.type`, type, 'must be either Utilization, Value, or AverageValue')],
    validatePositive(target?.value, `${field}.value`),
    validatePositive(target?.averageValue, `${field}.averageValue`),
    share !== undefined && share < 1 && [invalid(`${field}.averageUtilization`, share, 'must be greater than 0')],
  );
}

function validatePositive(amount: string | undefined, field: string): FieldError[] {
  if (amount === undefined || (amountOf(amount) ?? 0n) > 0n) return [];
  return [invalid(field, amount, 'must be positive')];
}
