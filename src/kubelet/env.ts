import type { ConfigMap, Container, Pod, Secret } from '../api/types.ts';
import { messageOf } from '../base/errors.ts';
import { envFileValue } from './env-file.ts';
import { type FieldSource, fieldValue, resourceFieldValue } from './fields.ts';
import type { VolumePaths } from './volumes/volumes.ts';

/** Where config maps and secrets are looked up. `undefined`: there is none of that name. */
export interface ConfigSource {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
}

type Env = Record<string, string>;
type EnvVar = NonNullable<Container['env']>[number];
type FileRef = NonNullable<NonNullable<EnvVar['valueFrom']>['fileKeyRef']>;
type EnvFrom = NonNullable<Container['envFrom']>[number];

/**
 * A container's environment: `envFrom`, then `env` over it, then the Services' variables where neither has set them.
 * Throws with the kubelet's words for what is missing; the container then waits with CreateContainerConfigError.
 */
export async function containerEnv(
  container: Container,
  fields: FieldSource,
  config: ConfigSource,
  services: Readonly<Env>,
  volumes: VolumePaths,
): Promise<Env> {
  const { pod } = fields;
  const env: Env = {};
  for (const from of container.envFrom ?? []) Object.assign(env, await valuesFrom(from, pod, config));
  for (const variable of container.env ?? []) {
    const file = variable.valueFrom?.fileKeyRef;
    const value = file
      ? await fileValue(file, volumes)
      : await variableValue(variable, container, fields, config, { ...services, ...env });
    if (value !== undefined) env[variable.name] = value;
  }
  return { ...services, ...env };
}

async function valuesFrom(from: EnvFrom, pod: Pod, config: ConfigSource): Promise<Env> {
  const namespace = pod.metadata?.namespace ?? '';
  const prefix = from.prefix ?? '';
  if (from.configMapRef) {
    const { name = '', optional } = from.configMapRef;
    const found = await config.configMap(namespace, name);
    if (!found && !optional) throw new Error(`configmap "${name}" not found`);
    return withPrefix(prefix, found?.data ?? {});
  }
  if (from.secretRef) {
    const { name = '', optional } = from.secretRef;
    const found = await config.secret(namespace, name);
    if (!found && !optional) throw new Error(`secret "${name}" not found`);
    return withPrefix(prefix, decoded(found));
  }
  return {};
}

function withPrefix(prefix: string, values: Readonly<Env>): Env {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [prefix + key, value]));
}

async function variableValue(
  variable: EnvVar,
  container: Container,
  fields: FieldSource,
  config: ConfigSource,
  known: Readonly<Env>,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (!from) return expand(variable.value ?? '', known);
  if (from.fieldRef) return fieldValue(fields, from.fieldRef.fieldPath);
  if (from.resourceFieldRef) return resourceFieldValue(fields, from.resourceFieldRef, container);
  if (from.configMapKeyRef) {
    const { name = '', key, optional } = from.configMapKeyRef;
    const found = await config.configMap(namespaceOf(fields.pod), name);
    return pick('configmap', 'ConfigMap', fields.pod, name, key, optional, found && (found.data ?? {}));
  }
  if (from.secretKeyRef) {
    const { name = '', key, optional } = from.secretKeyRef;
    const found = await config.secret(namespaceOf(fields.pod), name);
    return pick('secret', 'Secret', fields.pod, name, key, optional, found && decoded(found));
  }
  return undefined;
}

async function fileValue(ref: FileRef, volumes: VolumePaths): Promise<string | undefined> {
  const { volumeName, path: file, key, optional } = ref;
  const volume = volumes.get(volumeName);
  if (volume === undefined) throw new Error(`cannot find the volume "${volumeName}" referenced by FileKeyRef`);
  const value = await envFileValue(volume, file, key).catch((error: unknown) => {
    throw new Error(`couldn't parse env file: ${messageOf(error)}`);
  });
  // An empty value counts as none.
  if (value) return value;
  if (optional) return undefined;
  throw new Error(`environment variable key "${key}" not found in file "${file}"`);
}

function pick(
  resource: string,
  kind: string,
  pod: Pod,
  name: string,
  key: string,
  optional: boolean | undefined,
  values: Readonly<Env> | undefined,
): string | undefined {
  const value = values?.[key];
  if (value !== undefined || optional) return value;
  if (!values) throw new Error(`${resource} "${name}" not found`);
  throw new Error(`couldn't find key ${key} in ${kind} ${namespaceOf(pod)}/${name}`);
}

const namespaceOf = (pod: Pod): string => pod.metadata?.namespace ?? '';

function decoded(secret: Secret | undefined): Env {
  const entries = Object.entries(secret?.data ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

/** `$(NAME)` becomes its value where there is one, `$$` becomes `$`; all else stays as it is written. */
export function expand(text: string, values: Readonly<Env>): string {
  return text.replace(/\$(\$|\(([^()]*)\))/g, (whole, escaped: string, name: string | undefined) =>
    escaped === '$' ? '$' : (values[name ?? ''] ?? whole),
  );
}

/** Names of the variables that a text wants to be replaced. */
export function variablesOf(text: string): string[] {
  return [...text.matchAll(/\$(?:\$|\(([^()]*)\))/g)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}
