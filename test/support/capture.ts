import { openCapture } from '../../src/kernel/capture.ts';
import { type IpPacket, parsePacket } from '../../src/kernel/packet.ts';
import type { TestCluster } from './cluster.ts';

/** Packets that pass a named network namespace of a cluster while `work` is done: `fabric`, `node-1`, `client.alice`. */
export async function captured(
  cluster: TestCluster,
  where: string,
  filter: string,
  work: () => Promise<unknown>,
): Promise<IpPacket[]> {
  const prefix = cluster.config.name === 'knit' ? 'knit' : `knit-${cluster.config.name}`;
  const packets: IpPacket[] = [];
  const capture = await openCapture({
    enter: ['nsenter', `--net=/run/netns/${prefix}.${where}`],
    filter,
    onPacket: ({ bytes }) => {
      const packet = parsePacket(bytes);
      if (packet) packets.push(packet);
    },
  });
  try {
    await work();
  } finally {
    await capture.stop();
  }
  return packets;
}
