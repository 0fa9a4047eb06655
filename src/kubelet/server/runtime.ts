import type { Pod } from '../../api/types.ts';

/** What the server asks of the kubelet: which pods this node has, and by what ids the container runtime knows them. */
export interface RuntimeView {
  /** The node's pods with the status that the kubelet would report now. */
  pods(): readonly Pod[];
  /** CRI id of the pod's ready sandbox. */
  findSandbox(namespace: string, pod: string): Promise<string | undefined>;
  /** CRI id of the container that runs now under this name: init, ordinary or ephemeral. */
  findContainer(namespace: string, pod: string, container: string): Promise<string | undefined>;
  /** Resolves when the container does not run any more (at once, where it is gone); rejects when `signal` fires. */
  whenExited(containerId: string, signal: AbortSignal): Promise<void>;
}

export interface ExecRequest {
  readonly containerId: string;
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export type AttachRequest = Omit<ExecRequest, 'command'>;

/**
 * The calls of the Container Runtime Interface that streaming needs. Each of the first three answers with the URL of the
 * runtime's own streaming server; the URL may be used once and soon.
 */
export interface StreamingRuntime {
  exec(request: ExecRequest): Promise<string>;
  attach(request: AttachRequest): Promise<string>;
  portForward(request: { readonly sandboxId: string; readonly ports: readonly number[] }): Promise<string>;
  /** Absolute path of the container's log file on this node; `undefined` where the runtime has forgotten the container. */
  logPath(containerId: string): Promise<string | undefined>;
}
