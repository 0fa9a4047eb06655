import { closeSync, constants, openSync, readSync } from 'node:fs';

/** No record of the kernel's log is longer (`PRINTK_MESSAGE_MAX` of Linux and a header). */
const LONGEST_RECORD = 8192;
/** As Linux writes it since 5.0: `oom-kill:constraint=…,task_memcg=/above/it/CGROUP,task=…`. */
const victim = /oom-kill:.*,task_memcg=[^,]*\/([^,/]+),task=/;

/**
 * Where the kernel has killed processes for want of memory, as far back as its log goes: by itself it writes at most
 * ten such records in five seconds. Who may not read the log finds nothing in it.
 */
export class OomLog {
  readonly #record = Buffer.alloc(LONGEST_RECORD);
  readonly #victims = new Set<string>();
  #file: number | undefined;

  /** Whether a process of a cgroup was killed; of the cgroup's path, only the last name. */
  has(cgroup: string): boolean {
    while (this.#readOne());
    return this.#victims.has(cgroup);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** Each read gives the next record, the oldest first; false where there is none. */
  #readOne(): boolean {
    try {
      this.#file ??= openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
      const length = readSync(this.#file, this.#record, 0, LONGEST_RECORD, null);
      const cgroup = victim.exec(this.#record.toString('latin1', 0, length))?.[1];
      if (cgroup !== undefined) this.#victims.add(cgroup);
      return true;
    } catch (error) {
      // Records that were overwritten before they were read are skipped.
      return (error as NodeJS.ErrnoException).code === 'EPIPE';
    }
  }
}
