import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, isAlreadyExists } from '../client/client.ts';
import { distFolder } from './processes.ts';

/** Definitions of the Gateway API's kinds, one a file, as they are sent. */
const folder = join(distFolder, 'gateway-api');

/** Defines the Gateway API's kinds. Those that are there already, of whatever release, stay as they are. */
export async function installGatewayApi(client: Client): Promise<void> {
  for (const file of readdirSync(folder).toSorted()) {
    const definition = readFileSync(join(folder, file), 'utf8');
    try {
      await client.raw('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}
