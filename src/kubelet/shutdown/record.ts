import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** When a node's last shutdown began, and when its pods had ended: ms since the epoch. */
export interface ShutdownRecord {
  readonly startTime?: number;
  readonly endTime?: number;
}

/** Under the kubelet's name for it. It outlives the node's processes, and tells who stops the node how far it is. */
const fileIn = (rootDir: string): string => path.join(rootDir, 'graceful_node_shutdown_state');

export function readShutdownRecord(rootDir: string): ShutdownRecord {
  try {
    const { startTime, endTime } = JSON.parse(readFileSync(fileIn(rootDir), 'utf8')) as Record<string, string>;
    return {
      ...(startTime ? { startTime: Date.parse(startTime) } : {}),
      ...(endTime ? { endTime: Date.parse(endTime) } : {}),
    };
  } catch {
    return {};
  }
}

export function writeShutdownRecord(rootDir: string, { startTime, endTime }: ShutdownRecord): void {
  const text = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
  writeFileSync(fileIn(rootDir), JSON.stringify({ startTime: text(startTime), endTime: text(endTime) }));
}
