import { isIP } from 'node:net';
import type { Pod, Service } from '../../api/types.ts';
import { KnitError } from '../../base/errors.ts';
import { isAddressService } from '../../edge/gateway/addresses.ts';
import { contains, isLoopback } from '../predict/services.ts';
import { type Backend, mostBackends, serviceText } from './endpoints.ts';
import { type Facts, isOver, keyOf } from './facts.ts';
import { checkAddress, checkGatewayNamed } from './gateways/gateways.ts';
import { checkIngress } from './ingresses.ts';
import { checkMasquerade, checkReceiver, checkRules, checkSender, type Kernel } from './kernel.ts';
import { type Explanation, Report, roots } from './model.ts';
import { checkName } from './names.ts';
import { nearest } from './near.ts';
import { checkTracked, pinnedBackend, reportPin } from './pins.ts';
import { checkPod, podText } from './pods.ts';
import { checkPolicies } from './policies.ts';
import {
  type Asked,
  type Asker,
  checkNodePort,
  checkService,
  findPort,
  findService,
  proxy,
  type Sender,
} from './services.ts';
import { checkUrl } from './urls.ts';

/** What is asked: why can `from` not reach `to`? */
export interface ExplainQuestion {
  /** `pod/NAMESPACE/NAME`, `node/NAME`, `client/NAME` or `outside`. */
  readonly from: string;
  /** The same, or `service/…`, `ingress/…`, `gateway/NAMESPACE/NAME`, an address, a name, a URL; `:PORT` may follow. */
  readonly to: string;
  readonly port?: number;
  readonly protocol?: 'tcp' | 'udp' | 'icmp';
  /** Addresses of clients outside, by name. */
  readonly clients?: Readonly<Record<string, string>>;
  /** Addresses of nodes for those outside. */
  readonly outsideAddresses?: Readonly<Record<string, string>>;
}

/** Follows the way that a connection would take, over objects and, where `kernel` is there, what the kernel says. */
export async function explain(facts: Facts, question: ExplainQuestion, kernel?: Kernel): Promise<Explanation> {
  const report = new Report();
  const from = await readAsker(report, facts, question);
  const explainer = new Explainer(report, facts, from, question, kernel);
  if (report.verdict !== 'denied') await explainer.run();
  return {
    from: question.from,
    to: question.to,
    verdict: report.verdict,
    checks: report.checks,
    findings: report.findings,
  };
}

/** `web:80`, `web:http`, `[fd00::1]:80`, a bare IPv6 address. */
function splitPort(text: string): { host: string; port?: number | string } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\w[\w-]*))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || port === undefined) return { host: host ?? text };
  return { host, port: /^\d+$/.test(port) ? Number(port) : port };
}

/** Throws `TARGET_UNKNOWN` for what cannot be read. */
async function readAsker(report: Report, facts: Facts, { from, clients }: ExplainQuestion): Promise<Asker> {
  const [kind, ...rest] = from.split('/');
  if (kind === 'outside' || kind === 'client') {
    const address = clients?.[rest[0] ?? ''];
    return { kind: 'outside', text: from, ...(address === undefined ? {} : { address }) };
  }
  if (kind === 'node' && rest.length === 1) {
    const node = await facts.node(rest[0] ?? '');
    const addresses = (node?.status?.addresses ?? []).map(({ address }) => address);
    if (node) return { kind: 'node', name: rest[0] ?? '', addresses, text: from };
  }
  if (kind === 'pod' && (rest.length === 1 || rest.length === 2)) {
    const pod = await findPod(report, facts, rest);
    if (pod) await checkAsker(report, facts, pod);
    return { kind: 'pod', pod: pod ?? {}, text: from };
  }
  throw new KnitError(
    'TARGET_UNKNOWN',
    `${from} names nobody`,
    'write pod/NAMESPACE/NAME, node/NAME, client/NAME or outside',
  );
}

async function findPod(report: Report, facts: Facts, path: readonly string[]): Promise<Pod | undefined> {
  const [namespace = '', name = ''] = path.length === 2 ? path : ['default', path[0]];
  const pod = await facts.pod(namespace, name);
  if (pod) return pod;
  const near = nearest(
    name,
    (await facts.pods(namespace)).map(({ metadata }) => metadata?.name ?? ''),
  );
  const evidence =
    near.length > 0 ? [`there is: ${near.join(', ')}`] : [`the namespace ${namespace} has no pod like it`];
  report.fail('pod', 'POD_NOT_FOUND', `pod ${namespace}/${name}`, `there is no pod ${namespace}/${name}`, { evidence });
  return undefined;
}

/** Who asks must run; it need not be ready. */
async function checkAsker(report: Report, facts: Facts, pod: Pod): Promise<void> {
  if (!pod.status?.podIP || isOver(pod.status.phase)) {
    const found = await checkPod(report, facts, pod);
    if (!found) report.fail('pod', 'POD_STARTING', podText(pod), `${podText(pod)} has no address yet`);
    return;
  }
  report.pass('from', `${podText(pod)} runs on ${pod.spec?.nodeName} as ${pod.status.podIP}`);
}

class Explainer {
  readonly #report: Report;
  readonly #facts: Facts;
  readonly #from: Asker;
  readonly #question: ExplainQuestion;
  readonly #kernel: Kernel | undefined;
  #protocol: 'tcp' | 'udp' | 'icmp';

  constructor(report: Report, facts: Facts, from: Asker, question: ExplainQuestion, kernel: Kernel | undefined) {
    this.#report = report;
    this.#facts = facts;
    this.#from = from;
    this.#question = question;
    this.#kernel = kernel;
    this.#protocol = question.protocol ?? 'tcp';
  }

  async run(): Promise<void> {
    const { to } = this.#question;
    if (this.#kernel) await checkSender(this.#report, this.#kernel, this.#from);
    if (/^https?:\/\//.test(to)) return await this.#url(new URL(to));
    const [kind = '', ...rest] = to.split('/');
    if (kind === 'service' || kind === 'svc') return await this.#serviceNamed(rest);
    if (kind === 'pod') return await this.#podNamed(rest);
    if (kind === 'node') return await this.#nodeNamed(rest);
    if (kind === 'ingress') return await this.#ingressNamed(rest);
    if (kind === 'gateway') return await checkGatewayNamed(this.#report, this.#facts, rest);
    const { host, port } = splitPort(to);
    const asked = this.#asked(port);
    if (isIP(host)) return await this.#address(host, asked);
    await this.#name(host, asked);
  }

  #asked(written: number | string | undefined): Asked {
    const port = this.#question.port ?? written;
    return { protocol: this.#protocol, ...(port === undefined ? {} : { port }) };
  }

  async #url(url: URL): Promise<void> {
    if (this.#from.kind === 'pod' && url.hostname.endsWith(`.${this.#facts.domain}`)) {
      return await this.#name(url.hostname, this.#asked(Number(url.port) || (url.protocol === 'https:' ? 443 : 80)));
    }
    await this.#receivers(await checkUrl(this.#report, this.#facts, url, this.#from), proxy);
  }

  async #serviceNamed(path: readonly string[]): Promise<void> {
    const { host: last, port } = splitPort(path.at(-1) ?? '');
    const own = this.#from.kind === 'pod' ? this.#from.pod.metadata?.namespace : undefined;
    const [namespace, name] = path.length === 2 ? [path[0] ?? '', last] : [own ?? 'default', last];
    const service = await findService(this.#report, this.#facts, namespace, name);
    if (service) await this.#service(service, this.#asked(port));
  }

  async #service(service: Service, asked: Asked): Promise<void> {
    const protocol = this.#question.protocol ?? protocolOf(service, asked);
    this.#protocol = protocol;
    if (service.spec?.type === 'ExternalName') {
      return await this.#name(`${keyOf(service).split('/').reverse().join('.')}.svc.${this.#facts.domain}`, asked);
    }
    const backends = await checkService(this.#report, this.#facts, service, { ...asked, protocol }, this.#from);
    const port = backends.length > 0 ? findPort(new Report(), service, { ...asked, protocol }) : undefined;
    if (!port || !this.#kernel) return await this.#backends(backends);
    await checkRules(this.#report, this.#kernel, service, port, this.#from);
    await checkTracked(this.#report, this.#kernel, service, port, this.#from, backends);
    const pinned = await pinnedBackend(this.#report, this.#kernel, service, port, this.#from, backends);
    await this.#backends(backends);
    if (pinned) await this.#pin(service, pinned);
  }

  async #pin(service: Service, pinned: Backend): Promise<void> {
    if (this.#report.verdict === 'denied') return;
    const there = new Report();
    await checkPolicies(there, this.#facts, this.#connection(pinned));
    await this.#hear(there, pinned, this.#from, false);
    if (there.verdict === 'denied') reportPin(this.#report, service, pinned, roots(there.findings));
  }

  async #backends(backends: readonly Backend[]): Promise<void> {
    const looked = backends.slice(0, mostBackends);
    if (looked.length < backends.length)
      this.#report.note('endpoints', `the first ${looked.length} of ${backends.length} endpoints are looked at`);
    // Denied for all: that is what keeps them apart. Denied for some: a part of the connections.
    const verdicts = await Promise.all(looked.map((backend) => this.#isDenied(backend)));
    const all = verdicts.every(Boolean);
    for (const [index, backend] of looked.entries()) {
      if (verdicts[index]) {
        await this.#policies(backend, !all);
        if (all) break;
      } else if (index === verdicts.indexOf(false)) await this.#policies(backend, false);
    }
    if (!all) await this.#receivers(looked, this.#from);
  }

  async #receivers(backends: readonly Backend[], from: Sender): Promise<void> {
    const looked = backends.slice(0, mostBackends);
    const broken = await Promise.all(looked.map((backend) => this.#isDeaf(backend, from)));
    for (const backend of looked) await this.#receiver(backend, from, !broken.every(Boolean));
  }

  #connection(backend: Backend) {
    const source = this.#from.kind === 'pod' ? this.#from.pod : undefined;
    const address =
      source?.status?.podIP ??
      (this.#from.kind === 'node'
        ? this.#from.addresses[0]
        : this.#from.kind === 'outside'
          ? this.#from.address
          : '') ??
      '';
    return {
      source: { address, ...(source ? { pod: source } : {}) },
      destination: { address: backend.address, ...(backend.pod ? { pod: backend.pod } : {}) },
      protocol: this.#protocol,
      port: backend.port,
    };
  }

  async #isDenied(backend: Backend): Promise<boolean> {
    return (await checkPolicies(new Report(), this.#facts, this.#connection(backend))) !== undefined;
  }

  async #policies(backend: Backend, partial: boolean): Promise<void> {
    await checkPolicies(this.#report, this.#facts, this.#connection(backend), partial);
  }

  async #isDeaf(backend: Backend, from: Sender): Promise<boolean> {
    const report = new Report();
    await this.#hear(report, backend, from, false);
    return report.verdict === 'denied';
  }

  async #hear(report: Report, backend: Backend, from: Sender, partial: boolean): Promise<void> {
    if (!this.#kernel) return;
    await checkReceiver(report, this.#facts, this.#kernel, backend, this.#protocol, from, partial);
  }

  async #receiver(backend: Backend, from: Sender, partial: boolean): Promise<void> {
    if (this.#kernel) {
      await this.#hear(this.#report, backend, from, partial);
    } else if (this.#protocol !== 'icmp' && !this.#isListenerNoted()) {
      const text = `whether anything listens on port ${backend.port} objects do not tell`;
      this.#report.note('listener', text);
    }
  }

  /** Once is enough; a Gateway's listener is another check of this name. */
  #isListenerNoted(): boolean {
    return this.#report.checks.some(({ name, outcome }) => name === 'listener' && outcome === 'note');
  }

  async #podNamed(path: readonly string[]): Promise<void> {
    const { host: last, port } = splitPort(path.at(-1) ?? '');
    const pod = await findPod(this.#report, this.#facts, [...path.slice(0, -1), last]);
    if (pod) await this.#pod(pod, this.#asked(port));
  }

  async #pod(pod: Pod, asked: Asked): Promise<void> {
    const found =
      pod.status?.podIP && !isOver(pod.status.phase) ? undefined : await checkPod(this.#report, this.#facts, pod);
    if (found) return;
    if (this.#from.kind === 'outside') {
      const message = `${podText(pod)} has no address for ${this.#from.text}: pods' addresses are the cluster's own`;
      this.#report.fail('exposure', 'SVC_NOT_EXPOSED', podText(pod), message);
      return;
    }
    const port = Number(asked.port ?? firstPort(pod, this.#protocol) ?? 0);
    const backend = {
      address: pod.status?.podIP ?? '',
      port,
      pod,
      ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    };
    if (port === 0 && this.#protocol !== 'icmp')
      throw new KnitError('PORT_NEEDED', `which port of ${podText(pod)}?`, 'write it after the pod: …:8080');
    await this.#backends([backend]);
  }

  async #ingressNamed(path: readonly string[]): Promise<void> {
    const key = path.length === 2 ? path.join('/') : `default/${path[0]}`;
    const ingress = (await this.#facts.ingresses()).find((each) => keyOf(each) === key);
    if (!ingress) throw new KnitError('TARGET_UNKNOWN', `there is no Ingress ${key}`);
    await checkIngress(this.#report, this.#facts, ingress);
  }

  async #nodeNamed(path: readonly string[]): Promise<void> {
    const { host: name, port } = splitPort(path[0] ?? '');
    await this.#node(name, this.#asked(port));
  }

  async #node(name: string, asked: Asked): Promise<void> {
    const node = await this.#facts.node(name);
    if (!node) throw new KnitError('TARGET_UNKNOWN', `there is no node ${name}`);
    await this.#backends(await checkNodePort(this.#report, this.#facts, name, asked));
  }

  async #address(address: string, asked: Asked): Promise<void> {
    if (isLoopback(address) && this.#from.kind === 'pod') {
      const { pod } = this.#from;
      if (this.#kernel) await this.#receiver({ address, port: Number(asked.port ?? 0), pod }, this.#from, false);
      return;
    }
    const service = (await this.#facts.services()).find(({ spec, status }) =>
      [
        ...(spec?.clusterIPs ?? []),
        ...(spec?.externalIPs ?? []),
        ...(status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip),
      ].includes(address),
    );
    if (isAddressService(service)) return await checkAddress(this.#report, this.#facts, address, asked, this.#from);
    if (service) return await this.#virtualAddress(service, address, asked);
    const pod = await this.#facts.podAt(address);
    if (pod) return await this.#pod(pod, asked);
    const node = (await this.#facts.nodes()).find(
      ({ metadata, status }) =>
        status?.addresses?.some((each) => each.address === address) ||
        this.#question.outsideAddresses?.[metadata?.name ?? ''] === address,
    );
    if (node) return await this.#node(node.metadata?.name ?? '', asked);
    const nodes = await this.#facts.nodes();
    if (
      contains(
        nodes.flatMap(({ spec }) => spec?.podCIDRs ?? []),
        address,
      )
    ) {
      const message = `no pod has the address ${address}, which is in a node's pod CIDR`;
      this.#report.fail('address', 'POD_NOT_FOUND', address, message);
      return;
    }
    await this.#outside(address, asked);
  }

  async #virtualAddress(service: Service, address: string, asked: Asked): Promise<void> {
    if (this.#from.kind === 'outside' && service.spec?.clusterIPs?.includes(address)) {
      const message = `${address} is the virtual address of ${serviceText(service)} inside the cluster: ${this.#from.text} has no route to it`;
      this.#report.fail('exposure', 'SVC_NOT_EXPOSED', serviceText(service), message);
      return;
    }
    await this.#service(service, asked);
  }

  async #outside(address: string, asked: Asked): Promise<void> {
    const before = this.#report.findings.length;
    if (this.#from.kind === 'pod') {
      await this.#policies({ address, port: Number(asked.port ?? 0) }, false);
      if (this.#kernel) await checkMasquerade(this.#report, this.#kernel, this.#from, address);
    }
    if (this.#report.findings.length === before)
      this.#report.unknown('outside', `${address} is not of the cluster: what happens beyond it is not known here`);
  }

  async #name(name: string, asked: Asked): Promise<void> {
    const named = await checkName(this.#report, this.#facts, name, this.#from);
    if (!named) return;
    if (named.kind === 'service') return await this.#service(named.service, asked);
    if (named.kind === 'pod') return await this.#pod(named.pod, asked);
    if (named.kind === 'address') return await this.#address(named.address, asked);
    this.#report.unknown('outside', `where ${named.name} leads to is not the cluster's to know`);
  }
}

function firstPort(pod: Pod, protocol: string): number | undefined {
  const ports = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  return ports.find((each) => (each.protocol ?? 'TCP').toLowerCase() === protocol)?.containerPort;
}

/** Where nobody says: what the Service's port speaks. */
function protocolOf({ spec }: Service, { port }: Asked): 'tcp' | 'udp' {
  const ports = spec?.ports ?? [];
  const chosen = ports.find((each) => each.port === Number(port) || each.name === port) ?? ports[0];
  return chosen?.protocol === 'UDP' ? 'udp' : 'tcp';
}
