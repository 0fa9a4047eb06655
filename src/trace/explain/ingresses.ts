import { isDefaultIngressClass } from '../../api/ingress-classes.ts';
import { configMaps } from '../../api/resource.ts';
import type { Ingress, IngressClass } from '../../api/types.ts';
import { readCertificate } from '../../edge/ingress/certificates.ts';
import { controllerName, ownClassOf, parametersKey, parametersOf } from '../../edge/ingress/classes.ts';
import { readSettings, type Settings } from '../../edge/ingress/settings.ts';
import { checkPem } from './certificates.ts';
import type { Backend } from './endpoints.ts';
import { type Facts, keyOf } from './facts.ts';
import type { Report } from './model.ts';
import { nearest } from './near.ts';
import { checkWayOut } from './policies.ts';
import { checkProxied } from './proxied.ts';
import { type Asker, checkService, proxy } from './services.ts';

type Rule = NonNullable<NonNullable<Ingress['spec']>['rules']>[number];
type Path = NonNullable<NonNullable<Rule['http']>['paths']>[number];
type IngressBackend = Path['backend'];

const ingressText = (ingress: Ingress): string => `Ingress ${keyOf(ingress)}`;

const legacyAnnotation = 'kubernetes.io/ingress.class';

interface Match {
  readonly ingress: Ingress;
  readonly backend: IngressBackend;
  /** Exact before prefix, long before short. */
  readonly rank: number;
  readonly text: string;
}

/** What is known of Gateways where no Ingress has a host. */
export interface BesideIngresses {
  /** Hosts of Gateways and routes; not there in a cluster without the Gateway API. */
  readonly hosts?: readonly string[];
  readonly forbidden: boolean;
}

/** Whether a rule of an Ingress names a host that means this one. */
export const namesHost = (ingress: Ingress, host: string): boolean =>
  hostsOf(ingress).some((each) => each !== '' && hostMatches(each, host));

/** Which Ingress a URL leads to, and through which Service to which pods. */
export async function checkIngressUrl(
  report: Report,
  facts: Facts,
  url: URL,
  from: Asker,
  beside: BesideIngresses,
): Promise<readonly Backend[]> {
  const all = await facts.ingresses();
  const classes = await facts.ingressClasses();
  const ofHost = all.filter((ingress) => hostsOf(ingress).some((host) => hostMatches(host, url.hostname)));
  const candidates = ofHost.length > 0 ? ofHost : all.filter(({ spec }) => spec?.defaultBackend);
  if (candidates.length === 0) {
    reportUnknownHost(report, url.hostname, all, beside);
    return [];
  }
  const served = candidates.filter((ingress) => checkClass(report, ingress, classes, candidates.length > 1));
  const matches = served.flatMap((ingress) => matchesOf(ingress, url)).sort(byPrecedence);
  const [best] = matches;
  if (!best) {
    if (served.length === 0) return [];
    const paths = served.flatMap((ingress) =>
      pathsOf(ingress, url.hostname).map(({ path, pathType }) => `${path ?? '/'} (${pathType})`),
    );
    const evidence = [`paths of ${url.hostname}: ${paths.join(', ')}`];
    const subject = ingressText(served[0] as Ingress);
    report.fail('path', 'INGRESS_PATH_UNKNOWN', subject, `no rule of ${url.hostname} matches ${url.pathname}`, {
      evidence,
    });
    return [];
  }
  report.pass('ingress', `${ingressText(best.ingress)}: ${best.text}`);
  const address = best.ingress.status?.loadBalancer?.ingress?.[0]?.ip;
  const port = url.protocol === 'https:' ? 443 : 80;
  if (!(await checkWayOut(report, facts, from, address, port))) return [];
  if (url.protocol === 'https:') await checkCertificate(report, facts, best.ingress, url.hostname);
  return await checkIngressBackend(report, facts, best.ingress, best.backend);
}

function reportUnknownHost(
  report: Report,
  host: string,
  all: readonly Ingress[],
  { hosts, forbidden }: BesideIngresses,
): void {
  if (forbidden) {
    report.unknown('gateway', `no Ingress has a rule for ${host}, and you may not read Gateways: one may have it`);
    return;
  }
  const near = nearest(host, [...all.flatMap(hostsOf), ...(hosts ?? [])].filter(Boolean));
  const evidence = [near.length > 0 ? `there is: ${near.join(', ')}` : `${all.length} Ingresses`];
  const message = `no Ingress has a rule for ${host}${hosts ? ', and no Gateway or route of one has it' : ''}`;
  report.fail('ingress', 'INGRESS_HOST_UNKNOWN', host, message, { evidence });
}

function hostsOf({ spec }: Ingress): string[] {
  return (spec?.rules ?? []).map(({ host = '' }) => host);
}

/** `*.example.com` stands for one more label. */
function hostMatches(rule: string, host: string): boolean {
  if (rule === '' || rule === host) return true;
  return rule.startsWith('*.') && host.slice(host.indexOf('.')) === rule.slice(1);
}

function pathsOf({ spec }: Ingress, host: string): Path[] {
  return (spec?.rules ?? [])
    .filter((rule) => hostMatches(rule.host ?? '', host))
    .flatMap(({ http }) => http?.paths ?? []);
}

function matchesOf(ingress: Ingress, url: URL): Match[] {
  const rules = (ingress.spec?.rules ?? []).filter((rule) => hostMatches(rule.host ?? '', url.hostname));
  const matches = rules.flatMap((rule) =>
    (rule.http?.paths ?? []).flatMap((path) => {
      if (!pathMatches(path, url.pathname)) return [];
      const exactHost = rule.host === url.hostname ? 2 : rule.host ? 1 : 0;
      const rank = exactHost * 1e6 + (path.path?.length ?? 0) * 2 + (path.pathType === 'Exact' ? 1 : 0);
      const text = `${rule.host ?? '*'}${path.path ?? '/'} (${path.pathType})`;
      return [{ ingress, backend: path.backend, rank, text }];
    }),
  );
  const { defaultBackend } = ingress.spec ?? {};
  return defaultBackend
    ? [...matches, { ingress, backend: defaultBackend, rank: -1, text: 'default backend' }]
    : matches;
}

function pathMatches({ path = '/', pathType }: Path, asked: string): boolean {
  if (pathType === 'Exact') return asked === path;
  const prefix = path.endsWith('/') ? path.slice(0, -1) : path;
  return asked === prefix || asked.startsWith(`${prefix}/`);
}

/** Of equal rules the older Ingress' wins. */
function byPrecedence(a: Match, b: Match): number {
  const created = ({ ingress }: Match) => ingress.metadata?.creationTimestamp ?? '';
  return b.rank - a.rank || created(a).localeCompare(created(b));
}

function checkClass(report: Report, ingress: Ingress, classes: readonly IngressClass[], partial: boolean): boolean {
  const name = ingress.spec?.ingressClassName ?? ingress.metadata?.annotations?.[legacyAnnotation];
  const found = classes.find((each) =>
    name === undefined ? isDefaultIngressClass(each) : each.metadata?.name === name,
  );
  if (!found) {
    const known = classes.map(({ metadata }) => metadata?.name).join(', ') || 'none';
    const evidence = [`there is: ${known}`];
    const message = name
      ? `there is no IngressClass ${name}`
      : `${ingressText(ingress)} names no class, and none is the default`;
    report.fail('class', 'INGRESS_CLASS_UNKNOWN', ingressText(ingress), message, { evidence, partial });
    return false;
  }
  if (found.spec?.controller !== controllerName && !ingress.status?.loadBalancer?.ingress?.length) {
    report.unknown(
      'class',
      `class ${found.metadata?.name} is served by ${found.spec?.controller}, which gave it no address`,
    );
  }
  return true;
}

/** An Ingress by itself: every backend and certificate that it names, and who else wants its hosts. */
export async function checkIngress(report: Report, facts: Facts, ingress: Ingress): Promise<void> {
  if (!checkClass(report, ingress, await facts.ingressClasses(), false)) return;
  const { rules = [], defaultBackend } = ingress.spec ?? {};
  const backends = [...rules.flatMap(({ http }) => (http?.paths ?? []).map(({ backend }) => backend)), defaultBackend];
  for (const backend of backends) if (backend) await checkIngressBackend(report, facts, ingress, backend);
  const hosts = new Set((ingress.spec?.tls ?? []).flatMap(({ hosts: some }) => some ?? []));
  for (const host of hosts) await checkCertificate(report, facts, ingress, host);
  await checkConflicts(report, facts, ingress);
}

async function checkConflicts(report: Report, facts: Facts, ingress: Ingress): Promise<void> {
  const created = (one: Ingress) => one.metadata?.creationTimestamp ?? '';
  for (const other of await facts.ingresses()) {
    if (keyOf(other) === keyOf(ingress) || isCanary(ingress) || isCanary(other)) continue;
    const older =
      created(other) < created(ingress) || (created(other) === created(ingress) && keyOf(other) < keyOf(ingress));
    const taken = claimsOf(ingress).find((claim) => claimsOf(other).includes(claim));
    if (!older || taken === undefined || classNameOf(other) !== classNameOf(ingress)) continue;
    const message = `${ingressText(other)} is older and has ${taken} already`;
    report.fail('ingress', 'INGRESS_CONFLICT', ingressText(ingress), message, {
      partial: claimsOf(ingress).length > 1,
    });
  }
}

const isCanary = ({ metadata }: Ingress): boolean =>
  Object.keys(metadata?.annotations ?? {}).some((key) => key.includes('/canary'));
const classNameOf = ({ spec, metadata }: Ingress): string | undefined =>
  spec?.ingressClassName ?? metadata?.annotations?.[legacyAnnotation];

const claimsOf = ({ spec }: Ingress): string[] =>
  (spec?.rules ?? []).flatMap(({ host = '*', http }) =>
    (http?.paths ?? []).map(({ path = '/', pathType }) => `${host}${path} (${pathType})`),
  );

async function checkIngressBackend(
  report: Report,
  facts: Facts,
  ingress: Ingress,
  { service: wanted }: IngressBackend,
): Promise<readonly Backend[]> {
  const namespace = ingress.metadata?.namespace ?? '';
  if (!wanted) {
    report.unknown('backend', `${ingressText(ingress)} leads to a resource that is no Service`);
    return [];
  }
  const service = await facts.service(namespace, wanted.name);
  if (!service) {
    const near = nearest(
      wanted.name,
      (await facts.services(namespace)).map(({ metadata }) => metadata?.name ?? ''),
    );
    const evidence = near.length > 0 ? [`there is: ${near.join(', ')}`] : [];
    const message = `${ingressText(ingress)} leads to Service ${namespace}/${wanted.name}, which is not there`;
    report.fail('backend', 'INGRESS_BACKEND_MISSING', ingressText(ingress), message, { evidence });
    return [];
  }
  const asked = wanted.port?.name ?? wanted.port?.number;
  const port = service.spec?.ports?.find((each) => each.name === asked || each.port === asked);
  if (!port) {
    const ports = (service.spec?.ports ?? []).map(({ name, port: number }) => name ?? number).join(', ');
    const message = `${ingressText(ingress)} leads to port ${asked} of Service ${keyOf(service)}, which has ${ports}`;
    report.fail('backend', 'INGRESS_BACKEND_PORT', ingressText(ingress), message);
    return [];
  }
  const backends = await checkService(report, facts, service, { port: port.port, protocol: 'tcp' }, proxy);
  const settings = facts.proxy && (await settingsOf(facts, ingress));
  if (!settings || settings.policy.redirect) return backends;
  const { backends: mode, policy } = settings;
  const want = { namespace, service: wanted.name, port: port.port, mode, policy };
  return await checkProxied(report, facts, service, want, backends);
}

/** Undefined where somebody else serves the Ingress: nobody here knows where its proxy sends from. */
async function settingsOf(facts: Facts, ingress: Ingress): Promise<Settings | undefined> {
  const ownClass = ownClassOf(ingress, await facts.ingressClasses());
  if (!ownClass) return undefined;
  const [namespace, name] = parametersKey(ownClass)?.split('/') ?? [];
  const parameters = name ? await facts.source.get(configMaps, namespace, name) : undefined;
  return readSettings(ingress.metadata?.annotations ?? {}, parametersOf(ownClass, () => parameters).values).settings;
}

async function checkCertificate(report: Report, facts: Facts, ingress: Ingress, host: string): Promise<void> {
  const namespace = ingress.metadata?.namespace ?? '';
  const entry = (ingress.spec?.tls ?? []).find(
    ({ hosts }) => !hosts?.length || hosts.some((each) => hostMatches(each, host)),
  );
  if (!entry?.secretName) {
    report.note('certificate', `${host} has no certificate of its own: the proxy shows its own`);
    return;
  }
  const subject = `Secret ${namespace}/${entry.secretName}`;
  const secret = await facts.secret(namespace, entry.secretName);
  if (secret === 'forbidden') {
    report.unknown('certificate', `you may not read ${subject}: whether it is for ${host} is not known`);
    return;
  }
  if (!secret) {
    const message = `${ingressText(ingress)} names ${subject} for ${host}, which is not there`;
    report.fail('certificate', 'INGRESS_SECRET_MISSING', subject, message);
    return;
  }
  const read = readCertificate(secret);
  if ('problem' in read) {
    report.fail('certificate', 'INGRESS_CERTIFICATE_BROKEN', subject, `${subject} ${read.problem}`);
    return;
  }
  checkPem(report, 'INGRESS', subject, read.pem, host);
}
