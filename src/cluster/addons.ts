import { builtinKinds } from '../api/kinds/index.ts';
import { apiVersion, type Resource } from '../api/resource.ts';
import type { KubeObject } from '../api/types.ts';
import { type Client, isAlreadyExists, isNotFound } from '../client/client.ts';

/** Creates what is not there yet. What is there stays as it is: people may have changed it. */
export async function installAddon(client: Client, manifests: readonly KubeObject[]): Promise<void> {
  for (const manifest of manifests) {
    if (!(await exists(client, manifest))) await create(client, manifest);
  }
}

/** Asked before creating: a Service that asks for the address it has would be told that the address is taken. */
async function exists(client: Client, manifest: KubeObject): Promise<boolean> {
  const { name = '', namespace } = manifest.metadata ?? {};
  try {
    await client.get(resourceOf(manifest), { name, namespace });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function create(client: Client, manifest: KubeObject): Promise<void> {
  try {
    await client.create(resourceOf(manifest), manifest);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

function resourceOf(manifest: KubeObject): Resource {
  const kind = builtinKinds.find((each) => each.kind === manifest.kind && apiVersion(each) === manifest.apiVersion);
  if (kind) return kind;
  throw new Error(`no kind ${manifest.apiVersion} ${manifest.kind}`);
}
