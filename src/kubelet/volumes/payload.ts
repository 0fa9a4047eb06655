import type { Pod, Volume } from '../../api/types.ts';
import type { ConfigSource } from '../env.ts';
import { type FieldSource, fieldValue, resourceFieldValue } from '../fields.ts';
import type { Payload, PayloadFile } from './atomic-writer.ts';
import type { TokenSource } from './tokens.ts';

/** What the files of configMap, secret, downwardAPI and projected volumes are made of. */
export interface PayloadSource {
  readonly fields: FieldSource;
  readonly config: ConfigSource;
  readonly tokens: TokenSource;
}

type Files = Map<string, PayloadFile>;
type Projected = NonNullable<Volume['projected']>;
type ProjectedSource = NonNullable<Projected['sources']>[number];
type Items = NonNullable<NonNullable<Volume['configMap']>['items']>;
type DownwardItems = NonNullable<NonNullable<Volume['downwardAPI']>['items']>;

const DEFAULT_MODE = 0o644;

/** `undefined` for volumes that do not hold such files. Throws where something that is not optional is missing. */
export async function volumePayload(volume: Volume, source: PayloadSource): Promise<Payload | undefined> {
  if (volume.configMap) {
    const { name = '', items, optional, defaultMode } = volume.configMap;
    return await configMapFiles(source, { name, items, optional }, defaultMode ?? DEFAULT_MODE);
  }
  if (volume.secret) {
    const { secretName: name = '', items, optional, defaultMode } = volume.secret;
    return await secretFiles(source, { name, items, optional }, defaultMode ?? DEFAULT_MODE);
  }
  if (volume.downwardAPI) {
    return downwardFiles(source, volume.downwardAPI.items ?? [], volume.downwardAPI.defaultMode ?? DEFAULT_MODE);
  }
  if (volume.projected) return await projectedFiles(source, volume.projected);
  return undefined;
}

interface Reference {
  readonly name?: string;
  readonly items?: Items;
  readonly optional?: boolean;
}

async function configMapFiles(source: PayloadSource, ref: Reference, mode: number): Promise<Files> {
  const name = ref.name ?? '';
  const found = await source.config.configMap(namespaceOf(source), name);
  if (!found && !ref.optional) throw new Error(`configmap "${name}" not found`);
  const text = Object.entries(found?.data ?? {}).map(([key, value]) => [key, Buffer.from(value)] as const);
  const binary = Object.entries(found?.binaryData ?? {}).map(([key, value]) => [key, fromBase64(value)] as const);
  return select('config', new Map([...text, ...binary]), ref, mode);
}

async function secretFiles(source: PayloadSource, ref: Reference, mode: number): Promise<Files> {
  const name = ref.name ?? '';
  const found = await source.config.secret(namespaceOf(source), name);
  if (!found && !ref.optional) throw new Error(`secret "${name}" not found`);
  const entries = Object.entries(found?.data ?? {}).map(([key, value]) => [key, fromBase64(value)] as const);
  return select('secret', new Map(entries), ref, mode);
}

/** All keys under their own names, or those that `items` lists under its paths. */
function select(kind: string, data: ReadonlyMap<string, Buffer>, ref: Reference, mode: number): Files {
  if (!ref.items) return new Map([...data].map(([key, value]) => [key, { data: value, mode }]));
  const files: Files = new Map();
  for (const item of ref.items) {
    const value = data.get(item.key);
    if (value) files.set(safePath(item.path), { data: value, mode: item.mode ?? mode });
    else if (!ref.optional) throw new Error(`references non-existent ${kind} key: ${item.key}`);
  }
  return files;
}

function downwardFiles(source: PayloadSource, items: DownwardItems, mode: number): Files {
  const files: Files = new Map();
  for (const item of items) {
    const value = item.fieldRef
      ? fieldValue(source.fields, item.fieldRef.fieldPath)
      : item.resourceFieldRef
        ? resourceFieldValue(source.fields, item.resourceFieldRef)
        : '';
    files.set(safePath(item.path), { data: Buffer.from(value), mode: item.mode ?? mode });
  }
  return files;
}

async function projectedFiles(source: PayloadSource, projected: Projected): Promise<Files> {
  const mode = projected.defaultMode ?? DEFAULT_MODE;
  const parts = await Promise.all((projected.sources ?? []).map((part) => projectedPart(source, part, mode)));
  return new Map(parts.flatMap((part) => [...part]));
}

async function projectedPart(source: PayloadSource, part: ProjectedSource, mode: number): Promise<Files> {
  if (part.configMap) return await configMapFiles(source, part.configMap, mode);
  if (part.secret) return await secretFiles(source, part.secret, mode);
  if (part.downwardAPI) return downwardFiles(source, part.downwardAPI.items ?? [], mode);
  if (part.serviceAccountToken) {
    const { audience, expirationSeconds, path } = part.serviceAccountToken;
    const { pod } = source.fields;
    const token = await source.tokens.token(pod, audience, expirationSeconds ?? 3600);
    // Only the pod's own user and group may read it, where they are known.
    const user = userOf(pod);
    const isOwned = user !== undefined || pod.spec?.securityContext?.fsGroup !== undefined;
    const file = { data: Buffer.from(token), mode: isOwned ? 0o600 : mode, ...(user === undefined ? {} : { user }) };
    return new Map([[safePath(path), file]]);
  }
  throw new Error(`knit does not project ${Object.keys(part).join(', ')} yet`);
}

/** The user that all of a pod's containers run as. */
function userOf({ spec }: Pod): number | undefined {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const users = new Set(
    containers.map(({ securityContext }) => securityContext?.runAsUser ?? spec?.securityContext?.runAsUser),
  );
  return users.size === 1 ? [...users][0] : undefined;
}

const namespaceOf = (source: PayloadSource): string => source.fields.pod.metadata?.namespace ?? '';
const fromBase64 = (text: string): Buffer => Buffer.from(text, 'base64');

/** The API server refuses such paths; a file outside of its volume would be too much to trust that. */
function safePath(name: string): string {
  if (name.startsWith('/') || name.split('/').includes('..')) throw new Error(`${name} leads out of the volume`);
  return name;
}
