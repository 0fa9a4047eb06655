/** One measurement in a network namespace of its own: `unshare --net node measure.ts NAME '[ARGUMENTS]'`; prints JSON. */
import { measureChange, measureStorm } from './change.ts';
import { measureConnect } from './connect.ts';
import { measureChains, measureFile, measureLoad } from './load.ts';
import type { Size } from './world.ts';

const measurements = {
  async load(size: Size, withFile: boolean) {
    const loaded = await measureLoad(size);
    return { ...loaded, ...(withFile ? { fileMs: await measureFile() } : {}) };
  },
  change: measureChange,
  storm: measureStorm,
  connect: measureConnect,
  chains: async (size: Size) => ({ ms: await measureChains(size) }),
} as const;

export type Measurements = typeof measurements;

const [name = '', args = '[]'] = process.argv.slice(2);
if (name in measurements) {
  const measurement = measurements[name as keyof Measurements] as (...args: unknown[]) => Promise<unknown>;
  process.stdout.write(JSON.stringify(await measurement(...JSON.parse(args))));
  process.exit(0);
}
