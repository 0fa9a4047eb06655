import type { Command } from 'commander';
import { KnitError } from '../base/errors.ts';
import { listImages, loadImages } from '../cluster/images.ts';
import { isRunning, nodeOf, runningConfig } from '../cluster/running.ts';
import { nameOption, outputOption } from './options.ts';
import { print, printJson, progressFor, table } from './output.ts';

interface Flags {
  readonly name: string;
  readonly output: string;
}

export function imageCommand(program: Command): void {
  const image = program.command('image').description('load images into the nodes, and list them');
  image
    .command('load')
    .description('load an OCI or docker archive on all nodes; no registry is needed')
    .argument('<archive.tar...>', 'what docker save, skopeo or buildah wrote')
    .option('--node <node...>', 'only on these nodes')
    .addOption(nameOption())
    .addOption(outputOption())
    .action(async (archives: string[], flags: Flags & { node?: string[] }) => {
      const config = runningConfig(flags.name);
      const running = config.nodes.map((node) => node.name).filter((node) => isRunning(config.name, node));
      const targets = flags.node ?? running;
      for (const node of targets) nodeOf(config, node);
      const stopped = targets.find((node) => !running.includes(node));
      if (stopped)
        throw new KnitError('NODE_STOPPED', `the node ${stopped} does not run`, `running are: ${running.join(', ')}`);
      const loaded: string[] = [];
      for (const archive of archives) {
        const step = `Loading ${archive} on ${targets.join(', ')}`;
        loaded.push(...(await progressFor(flags.output).step(step, () => loadImages(config, archive, targets))));
      }
      if (flags.output === 'json') printJson({ images: loaded, nodes: targets });
      else print(loaded.join('\n'));
    });
  image
    .command('list')
    .description('the images that the nodes have')
    .addOption(nameOption())
    .addOption(outputOption())
    .action(async (flags: Flags) => {
      const config = runningConfig(flags.name);
      const images = await listImages(config);
      if (flags.output === 'json') return printJson(images);
      const nodesOf = (names: readonly string[]) =>
        names.length === config.nodes.length ? 'all nodes' : names.join(', ');
      print(table([['IMAGE', 'SIZE', 'ON'], ...images.map((each) => [each.name, each.size, nodesOf(each.nodes)])]));
    });
}
