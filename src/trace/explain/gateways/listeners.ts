import { isIP } from 'node:net';
import { certificateOf } from '../../../edge/gateway/certificates.ts';
import type { Verdict } from '../../../edge/gateway/conditions.ts';
import { covering } from '../../../edge/gateway/hostnames.ts';
import { protocolOf } from '../../../edge/gateway/listeners.ts';
import type { FaultCode } from '../catalogue.ts';
import { checkPem } from '../certificates.ts';
import { type Finding, Report } from '../model.ts';
import { reportHost } from './routes.ts';
import {
  brokenOf,
  conditionOf,
  type GatewayView,
  type GatewayWorld,
  gatewayText,
  type ListenerView,
  listenerText,
} from './world.ts';

export const isServed = ({ conditions }: ListenerView): boolean =>
  conditionOf(conditions, 'Programmed')?.status === 'True';

/** Of a URL, without the brackets of an IPv6 address. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');
export const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));

/** `''`: any. */
export const listenerHost = ({ listener }: ListenerView): string => listener.hostname?.toLowerCase() ?? '';

/** The listener that has a URL's requests, if one is served that does. */
export function listenerFor(
  report: Report,
  world: GatewayWorld,
  view: GatewayView,
  url: URL,
): ListenerView | undefined {
  const speaking = speakingListeners(report, view, url);
  if (speaking.length === 0) return undefined;
  const host = hostOf(url);
  const meant = covering(host).flatMap((each) => speaking.filter((listener) => listenerHost(listener) === each));
  const [best] = meant;
  if (!best) {
    const message = `no listener of ${gatewayText(view.gateway)} at port ${portOf(url)} has it`;
    reportHost(report, view, host, speaking.map(listenerHost), message);
    return undefined;
  }
  const served = meant.find(isServed);
  // Where the most specific one is not served, a wider one has its requests.
  if (best !== served) checkListener(report, world, view, best, served !== undefined);
  if (!served) return undefined;
  const text = `${served.listener.name} has ${listenerHost(served) || 'any host'} at port ${portOf(url)}`;
  report.pass('listener', text);
  if (url.protocol === 'https:') checkCertificates(report, world, served, isIP(host) ? undefined : host);
  return served;
}

/** Those of its port that speak as it asks. */
function speakingListeners(report: Report, view: GatewayView, url: URL): ListenerView[] {
  const atPort = listenersAt(report, view, portOf(url));
  const scheme = url.protocol.slice(0, -1);
  const speaking = atPort.filter(({ listener }) => (listener.protocol === 'HTTP') === (scheme === 'http'));
  if (atPort.length === 0 || speaking.length > 0) return speaking;
  const text = gatewayText(view.gateway);
  const spoken = [...new Set(atPort.map(({ listener }) => listener.protocol))].join(', ');
  const message = `${text} speaks ${spoken} at port ${portOf(url)}, and is asked by ${scheme}`;
  report.fail('listener', 'GATEWAY_PROTOCOL_MISMATCH', text, message);
  return [];
}

/** The listeners of a port, with a finding where there are none. */
export function listenersAt(report: Report, view: GatewayView, port: number): ListenerView[] {
  const found = view.listeners.filter(({ listener }) => listener.port === port);
  if (found.length > 0) return found;
  const text = gatewayText(view.gateway);
  const ports = [...new Set(view.listeners.map(({ listener }) => `${listener.port} (${listener.protocol})`))];
  report.fail('listener', 'GATEWAY_PORT_UNKNOWN', text, `${text} has no listener at port ${port}`, {
    evidence: [`it has: ${ports.join(', ')}`],
  });
  return [];
}

/** What is wrong with a listener; `partial`: others have its requests, or it has some. */
export function checkListener(
  report: Report,
  world: GatewayWorld,
  { isOwn }: GatewayView,
  view: ListenerView,
  partial: boolean,
): Finding | undefined {
  const subject = listenerText(view);
  const secret = unreadableOf(world, view);
  const problem = problemOf(view);
  if ((isOwn && secret !== undefined) || (!problem && !isServed(view))) {
    const why = secret === undefined ? 'its status does not say it' : `you may not read ${secret}`;
    report.unknown('listener', `whether ${subject} is served is not known: ${why}`);
    return undefined;
  }
  if (!problem) return undefined;
  return report.fail('listener', codeOf(problem), subject, `${subject}: ${problem.message || problem.reason}`, {
    evidence: [`${problem.type} is False: ${problem.reason}`],
    partial,
  });
}

function problemOf({ conditions }: ListenerView): Verdict | undefined {
  const [refused, unresolved, stopped] = ['Accepted', 'ResolvedRefs', 'Programmed'].map((type) =>
    brokenOf(conditions, type),
  );
  return refused ?? unresolved ?? stopped;
}

function codeOf({ reason }: Verdict): FaultCode {
  if (reason === 'RefNotPermitted') return 'GATEWAY_CERTIFICATE_NOT_GRANTED';
  return /Certificate/.test(reason) ? 'GATEWAY_CERTIFICATE_UNUSABLE' : 'GATEWAY_LISTENER_INVALID';
}

function unreadableOf({ unreadable }: GatewayWorld, { owner, listener }: ListenerView): string | undefined {
  const refs = listener.tls?.certificateRefs ?? [];
  return refs
    .map(({ name, namespace = owner.metadata?.namespace }) => `Secret ${namespace}/${name}`)
    .find((each) => unreadable.has(each));
}

/** The certificates that a listener shows: one of them must be for the host. Without a host any that is valid is one. */
export function checkCertificates(
  report: Report,
  world: GatewayWorld,
  view: ListenerView,
  host: string | undefined,
): void {
  const { owner, listener } = view;
  if (!['https', 'tls'].includes(protocolOf(listener))) return;
  const kind = 'parentRef' in owner.spec ? 'ListenerSet' : 'Gateway';
  const from = { kind, namespace: owner.metadata?.namespace ?? '' };
  const found = (listener.tls?.certificateRefs ?? []).map((ref) => certificateOf(ref, from, world.objects));
  const judged = found.flatMap((each) => {
    if (!('pem' in each)) return [];
    const ofOne = new Report();
    checkPem(ofOne, 'GATEWAY', `Secret ${each.secret}`, each.pem, host);
    return [ofOne];
  });
  const best = judged.find(({ verdict }) => verdict === 'allowed') ?? judged[0];
  const secret = unreadableOf(world, view);
  if (best) report.include([best]);
  else if (secret !== undefined) report.unknown('certificate', `you may not read ${secret}`);
}
