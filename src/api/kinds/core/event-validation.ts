import type { FieldError } from '../../kind.ts';
import type { Event } from '../../types.ts';
import { all, invalid, required, ruled } from '../errors.ts';
import { qualifiedName } from '../names.ts';

const most = { reportingInstance: 128, action: 128, reason: 128, message: 1024 };

/**
 * What holds for an event in either spelling; `reporter` is what the spelling calls who reports it. Those with an
 * `eventTime` are held to more.
 */
export function validateEvent(event: Event, reporter: 'reportingComponent' | 'reportingController'): FieldError[] {
  const { metadata, involvedObject, eventTime, reportingComponent = '' } = event;
  const namespace = involvedObject?.namespace ?? '';
  const field = 'involvedObject.namespace';
  const elsewhere = [invalid(field, namespace, 'does not match event.namespace')];
  const here = metadata?.namespace ?? '';
  if (!eventTime) return namespace === here || (namespace === '' && here === 'default') ? [] : elsewhere;
  return all(
    namespace === '' && here !== 'default' && here !== 'kube-system' && elsewhere,
    reportingComponent === '' && [required(reporter)],
    ruled(reporter, reportingComponent, qualifiedName),
    validateText(event, 'reportingInstance'),
    validateText(event, 'action'),
    validateText(event, 'reason'),
    Buffer.byteLength(event.message ?? '') > most.message && [tooManyCharacters('message')],
  );
}

function validateText(event: Event, field: 'reportingInstance' | 'action' | 'reason'): FieldError[] {
  const text = event[field] ?? '';
  if (text === '') return [required(field)];
  return Buffer.byteLength(text) > most[field] ? [tooManyCharacters(field)] : [];
}

const tooManyCharacters = (field: keyof typeof most): FieldError =>
  invalid(field, '', `can have at most ${most[field]} characters`);

/** What is asked of a new event of events.k8s.io beside that: nothing of the older spelling. */
export function validateNewEvent(event: Event): FieldError[] {
  const { series, eventTime, type = '', firstTimestamp, lastTimestamp, count, source } = event;
  const unset = { firstTimestamp, lastTimestamp, count, source: source?.component || source?.host };
  return all(
    series && (series.count ?? 0) < 2 && [invalid('series.count', '', 'should be at least 2')],
    series && !series.lastObservedTime && [required('series.lastObservedTime')],
    !eventTime && [required('eventTime')],
    type !== 'Normal' && type !== 'Warning' && [invalid('type', '', `has invalid value: ${type}`)],
    Object.entries(unset).flatMap(([field, value]) => (value ? [invalid(field, '', 'needs to be unset')] : [])),
  );
}
