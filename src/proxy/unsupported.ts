import { existsSync } from 'node:fs';
import type { Service } from '../api/types.ts';
import type { Client } from '../client/client.ts';
import { createEventRecorder, type EventRecorder } from '../client/events.ts';
import type { PlanEntry } from './plan.ts';

/** There is one where the kernel tracks SCTP, and only then can it translate it (CONFIG_NF_CT_PROTO_SCTP). */
const SCTP_TRACKING = '/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established';

/** Tells the owners of Services what this node's kernel cannot do for them, once each. */
export class UnsupportedEvents {
  readonly #client: Client;
  readonly #host: string;
  readonly #told = new Set<string>();
  #recorder: EventRecorder | undefined;

  constructor(client: Client, host: string) {
    this.#client = client;
    this.#host = host;
  }

  look(entry: PlanEntry | undefined, serviceOf: () => Service | undefined): void {
    if (!entry?.ports.some((port) => port.protocol === 'sctp') || existsSync(SCTP_TRACKING)) return;
    const service = serviceOf();
    const uid = service?.metadata?.uid ?? '';
    if (!service || this.#told.has(uid)) return;
    this.#told.add(uid);
    this.#recorder ??= createEventRecorder(this.#client, { component: 'kube-proxy', host: this.#host });
    const message = `The kernel of node ${this.#host} does not track SCTP (CONFIG_NF_CT_PROTO_SCTP): ports of this protocol do not work there`;
    this.#recorder.event(service, 'Warning', 'SCTPNotSupported', message);
  }
}
