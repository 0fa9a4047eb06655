import type { Command } from 'commander';
import { addClient, deleteClient } from '../cluster/clients.ts';
import { readConfig } from '../cluster/config.ts';
import { nameOption, outputOption } from './options.ts';
import { dim, print, printJson, progressFor, table } from './output.ts';

interface Flags {
  readonly name: string;
  readonly output: string;
}

export function clientCommand(program: Command): void {
  const client = program
    .command('client')
    .description('list, add and delete clients outside the cluster: what a user on the internet sees');
  client
    .command('list')
    .description('the clients and their addresses')
    .addOption(nameOption())
    .addOption(outputOption())
    .action((flags: Flags) => {
      const { clients } = readConfig(flags.name);
      if (flags.output === 'json') return printJson(clients);
      print(
        table([
          ['NAME', 'ADDRESS'],
          ...clients.map(({ name, address, ipv6 }) => [name, [address, ipv6 ?? []].flat().join(' ')]),
        ]),
      );
    });
  client
    .command('add')
    .description('add a client: a network namespace outside the fabric')
    .argument('<client>', 'its name, up to 11 characters')
    .addOption(nameOption())
    .addOption(outputOption())
    .action(async (name: string, flags: Flags) => {
      const added = await progressFor(flags.output).step(`Adding ${name}`, () => addClient(flags.name, name));
      if (flags.output === 'json') return printJson(added);
      const named = flags.name === 'knit' ? '' : ` --name ${flags.name}`;
      print(`${name} has ${added.address}   ${dim(`knit exec${named} client/${name} -- curl …`)}`);
    });
  client
    .command('delete')
    .description('take a client away')
    .argument('<client>', 'its name')
    .addOption(nameOption())
    .addOption(outputOption())
    .action((name: string, flags: Flags) =>
      progressFor(flags.output).step(`Deleting ${name}`, () => deleteClient(flags.name, name)),
    );
}
