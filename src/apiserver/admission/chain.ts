import type { Kind } from '../../api/kind.ts';
import type { KubeObject } from '../../api/types.ts';
import type { User } from '../request.ts';

export interface ObjectKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Of its schema: `io.k8s.api.policy.v1.Eviction`. */
  readonly definition: string;
}

/** A write on its way to the store. */
export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly kind: Kind;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly user: User;
  readonly dryRun: boolean;
  /** What `object` is, where it is not of `kind`: the body of a subresource that has a type of its own. */
  readonly objectKind?: ObjectKind;
  /** What is about to be written; a plugin may change it. `undefined` on delete. */
  readonly object: KubeObject | undefined;
  readonly old: KubeObject | undefined;
  /** Shown to the client, where there is one. */
  readonly warnings: string[] | undefined;
  /** For the audit log, where the request is told of there. */
  readonly annotations?: Map<string, string>;
}

/** Called when the write has come to an end, whatever it was: gives back what was reserved for it. */
export type Settle = () => void;

export interface AdmissionPlugin {
  /** Kubernetes' own name of it. */
  readonly name: string;
  /** @throws StatusError where the write must not happen */
  admit(request: AdmissionRequest): Settle | undefined;
}

/** Those who are asked by configuration: webhooks and policies. `undefined` where nobody has to be. */
export interface DynamicAdmission {
  /** Changes the object in place. */
  mutate(request: AdmissionRequest): Promise<void> | undefined;
  validate(request: AdmissionRequest): Promise<void> | undefined;
}

/** All plugins, in order, and then whoever is configured. */
export class Admission implements DynamicAdmission {
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #dynamic: DynamicAdmission;

  constructor(plugins: readonly AdmissionPlugin[], dynamic: DynamicAdmission) {
    this.#plugins = plugins;
    this.#dynamic = dynamic;
  }

  mutate(request: AdmissionRequest): Promise<void> | undefined {
    return this.#dynamic.mutate(request);
  }

  validate(request: AdmissionRequest): Promise<void> | undefined {
    return this.#dynamic.validate(request);
  }

  admit(request: AdmissionRequest): Settle {
    const settles: Settle[] = [];
    const settle = () => {
      for (const each of settles.reverse()) each();
    };
    try {
      for (const plugin of this.#plugins) {
        const after = plugin.admit(request);
        if (after) settles.push(after);
      }
    } catch (error) {
      settle();
      throw error;
    }
    return settle;
  }
}
