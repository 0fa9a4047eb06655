import { KnitError } from '../../../base/errors.ts';
import { keyOf } from '../../../client/cache.ts';
import type { FaultCode } from '../catalogue.ts';
import type { Facts } from '../facts.ts';
import type { Finding, Report } from '../model.ts';
import { checkWayOut } from '../policies.ts';
import type { Asked, Asker } from '../services.ts';
import { checkCertificates, checkListener, isServed, listenersAt } from './listeners.ts';
import { checkRoute } from './routes.ts';
import { brokenOf, conditionOf, type GatewayView, type GatewayWorld, gatewayText, gatewayWorld } from './world.ts';

/** Whether requests reach the Gateway at all: somebody serves its class, it is accepted and has an address. */
export function checkItself(report: Report, world: GatewayWorld, view: GatewayView): boolean {
  const { gateway, gatewayClass, isOwn, addresses, conditions } = view;
  const text = gatewayText(gateway);
  if (!gatewayClass) {
    const known = world.objects.classes.map(({ metadata }) => metadata?.name).join(', ') || 'none';
    const message = `there is no GatewayClass ${gateway.spec.gatewayClassName}`;
    report.fail('class', 'GATEWAY_CLASS_UNKNOWN', text, message, { evidence: [`there is: ${known}`] });
    return false;
  }
  const { controllerName } = gatewayClass.spec;
  const accepted = conditionOf(conditions, 'Accepted');
  if (!isOwn && (!accepted || accepted.status === 'Unknown')) {
    report.unknown(
      'class',
      `class ${gatewayClass.metadata?.name} is served by ${controllerName}, which said nothing yet`,
    );
    return false;
  }
  if (!isOwn) report.note('class', `${text} is served by ${controllerName}: its status is what is known of it`);
  if (!stands(report, world, view)) return false;
  report.pass('gateway', `${text} is at ${addresses.join(', ')}`);
  return true;
}

/** What its conditions say of all of it. */
function stands(report: Report, world: GatewayWorld, view: GatewayView): boolean {
  const { gateway, addresses, conditions } = view;
  const text = gatewayText(gateway);
  const fail = (code: FaultCode, message: string, said: string, causedBy: readonly Finding[] = []) =>
    report.fail('gateway', code, text, message, { evidence: [said], causedBy });
  const ofListeners = () => view.listeners.flatMap((each) => checkListener(report, world, view, each, false) ?? []);
  const refused = brokenOf(conditions, 'Accepted');
  if (refused) {
    const causes = refused.reason === 'ListenersNotValid' ? ofListeners() : [];
    fail('GATEWAY_NOT_ACCEPTED', `${text} is not accepted`, `${refused.reason}: ${refused.message}`, causes);
    return false;
  }
  const stopped = brokenOf(conditions, 'Programmed') ?? failureOf(view);
  if (addresses.length === 0 || stopped?.reason.startsWith('AddressNot')) {
    const said = stopped ? `${stopped.reason}: ${stopped.message}` : 'its status has none';
    fail('GATEWAY_NO_ADDRESS', `${text} has no address as it asks for it`, said);
    return false;
  }
  if (!stopped) return true;
  const causes = ofListeners();
  // Whether a listener serves whose certificate may not be read is not known, nor then of the Gateway.
  const isUnread = view.isOwn && causes.length === 0 && report.verdict === 'unknown';
  if (isUnread) return false;
  fail('GATEWAY_NOT_PROGRAMMED', `${text} is not served`, `${stopped.reason}: ${stopped.message}`, causes);
  return false;
}

/** Why the proxy could not be brought to a plan that has nothing against the Gateway: only its status knows. */
function failureOf({ gateway, isOwn }: GatewayView) {
  const said = brokenOf(gateway.status?.conditions ?? [], 'Programmed');
  const isOfNow = gateway.status?.conditions?.some(
    ({ type, observedGeneration }) => type === 'Programmed' && observedGeneration === gateway.metadata?.generation,
  );
  return isOwn && isOfNow ? said : undefined;
}

/** A Gateway by itself: its listeners, their certificates, and its routes with all that they lead to. */
export async function checkGateway(
  report: Report,
  facts: Facts,
  world: GatewayWorld,
  view: GatewayView,
): Promise<void> {
  if (!checkItself(report, world, view)) return;
  for (const each of view.listeners) {
    checkListener(report, world, view, each, view.listeners.some(isServed));
    if (isServed(each)) checkCertificates(report, world, each, each.listener.hostname?.replace(/^\*/, 'any'));
  }
  for (const each of view.routes) await checkRoute(report, facts, world, view, each);
  if (view.routes.length === 0) report.note('route', `no route names ${gatewayText(view.gateway)}`);
}

/** Throws `TARGET_UNKNOWN`. */
export async function checkGatewayNamed(report: Report, facts: Facts, path: readonly string[]): Promise<void> {
  const key = path.length === 2 ? path.join('/') : `default/${path[0]}`;
  const world = await gatewayWorld(facts);
  const isRead = world !== undefined && world !== 'forbidden';
  const view = isRead ? world.gateways.find(({ gateway }) => keyOf(gateway) === key) : undefined;
  if (isRead && view) return await checkGateway(report, facts, world, view);
  const why = world === 'forbidden' ? 'you may not read Gateways' : `there is no Gateway ${key}`;
  throw new KnitError('TARGET_UNKNOWN', why, isRead ? namesHint(world) : undefined);
}

function namesHint({ gateways }: GatewayWorld): string | undefined {
  const names = gateways.slice(0, 10).map(({ gateway }) => keyOf(gateway));
  return names.length > 0 ? `there is: ${names.join(', ')}` : undefined;
}

/** An address of a Gateway, asked for nothing but a connection. */
export async function checkAddress(
  report: Report,
  facts: Facts,
  address: string,
  { port }: Asked,
  from: Asker,
): Promise<void> {
  const world = await gatewayWorld(facts);
  if (world === undefined || world === 'forbidden') {
    report.unknown('gateway', `${address} is a Gateway’s, and you may not read Gateways`);
    return;
  }
  const view = world.gateways.find(({ addresses }) => addresses.includes(address));
  if (!view || !checkItself(report, world, view) || port === undefined) return;
  if (!(await checkWayOut(report, facts, from, address, Number(port)))) return;
  const listeners = listenersAt(report, view, Number(port));
  const served = listeners.filter(isServed);
  for (const each of listeners) checkListener(report, world, view, each, served.length > 0);
  if (served.length > 0) {
    report.pass('listener', `${served.map(({ listener }) => listener.name).join(', ')}: the proxy takes connections`);
    report.note('route', 'which route has a request depends on its host and path: ask with http://HOST/PATH');
  }
}
