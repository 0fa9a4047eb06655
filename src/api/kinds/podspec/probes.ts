import type { FieldError } from '../../kind.ts';
import type { Container, Probe } from '../../types.ts';
import { all, forbidden, invalid, oneOf, required, ruled } from '../errors.ts';
import { headerName, portName, portNumber } from '../names.ts';

type Lifecycle = Container['lifecycle'];
type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> & { sleep?: { seconds: number } };

const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;
const counts = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

export function validateProbes(container: Container, field: string): FieldError[] {
  const { livenessProbe, readinessProbe, startupProbe } = container;
  return all(
    livenessProbe && validateProbe(livenessProbe, `${field}.livenessProbe`),
    livenessProbe && validateOneSuccess(livenessProbe, `${field}.livenessProbe`),
    readinessProbe && validateProbe(readinessProbe, `${field}.readinessProbe`),
    readinessProbe && validateNoGrace(readinessProbe, `${field}.readinessProbe`),
    startupProbe && validateProbe(startupProbe, `${field}.startupProbe`),
    startupProbe && validateOneSuccess(startupProbe, `${field}.startupProbe`),
  );
}

function validateProbe(probe: Probe, field: string): FieldError[] {
  const negative = counts
    .filter((key) => (probe[key] ?? 0) < 0)
    .map((key) => invalid(`${field}.${key}`, probe[key], 'must be greater than or equal to 0'));
  const grace = probe.terminationGracePeriodSeconds;
  return all(
    validateHandler(probe, field),
    negative,
    grace !== undefined && grace <= 0
      ? [invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than 0')]
      : [],
  );
}

/** Liveness and startup are decided by one success. */
function validateOneSuccess(probe: Probe, field: string): FieldError[] {
  if ((probe.successThreshold ?? 1) === 1) return [];
  return [invalid(`${field}.successThreshold`, probe.successThreshold, 'must be 1')];
}

function validateNoGrace(probe: Probe, field: string): FieldError[] {
  const grace = probe.terminationGracePeriodSeconds;
  if (grace === undefined) return [];
  return [invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes')];
}

/** `grace`: the seconds that the pod has to end, within which a hook may sleep. */
export function validateLifecycle(lifecycle: Lifecycle, grace: number, field: string): FieldError[] {
  return all(
    lifecycle?.postStart && validateHook(lifecycle.postStart, grace, `${field}.postStart`),
    lifecycle?.preStop && validateHook(lifecycle.preStop, grace, `${field}.preStop`),
  );
}

function validateHook(hook: Handler, grace: number, field: string): FieldError[] {
  return all(validateHandler(hook, field), hook.sleep && validateSleep(hook, grace, `${field}.sleep`));
}

/** Exactly one way to ask. */
function validateHandler(handler: Handler, field: string): FieldError[] {
  const [first, ...more] = handlers.filter((one) => handler[one]);
  if (!first) return [required(field, 'must specify a handler type')];
  return all(
    validateChosen(handler, first, `${field}.${first}`),
    more.map((one) => forbidden(`${field}.${one}`, 'may not specify more than 1 handler type')),
  );
}

function validateChosen(handler: Handler, chosen: (typeof handlers)[number], field: string): FieldError[] {
  switch (chosen) {
    case 'exec':
      return handler.exec?.command?.length ? [] : [required(`${field}.command`)];
    case 'httpGet':
      return validateHttpGet(handler.httpGet, field);
    case 'tcpSocket':
      return validatePortOrName(handler.tcpSocket?.port, `${field}.port`);
    case 'grpc':
      return validatePortOrName(handler.grpc?.port, `${field}.port`);
    case 'sleep':
      return [];
  }
}

function validateHttpGet(action: Probe['httpGet'], field: string): FieldError[] {
  const headers = action?.httpHeaders ?? [];
  return all(
    action?.path ? [] : [required(`${field}.path`)],
    validatePortOrName(action?.port, `${field}.port`),
    oneOf(`${field}.scheme`, action?.scheme, ['HTTP', 'HTTPS']),
    headers.flatMap(({ name }) => ruled(`${field}.httpHeaders`, name ?? '', headerName)),
  );
}

/** Of several handlers only the first is looked at. */
function validateSleep(hook: Handler, grace: number, field: string): FieldError[] {
  const seconds = hook.sleep?.seconds ?? 0;
  if (hook.exec || hook.httpGet || hook.tcpSocket || (seconds >= 0 && seconds <= grace)) return [];
  const detail = `must be non-negative and less than terminationGracePeriodSeconds (${grace})`;
  return [invalid(field, seconds, detail)];
}

/** A port's number, or the name of one of the container's ports. */
export function validatePortOrName(port: unknown, field: string): FieldError[] {
  if (typeof port === 'string') return ruled(field, port, portName);
  const wrong = portNumber(Number(port ?? 0));
  return wrong ? [invalid(field, port ?? 0, wrong)] : [];
}
