import { type Kind, metaOf } from '../../api/kind.ts';
import { apiVersion } from '../../api/resource.ts';
import { compileLabelSelector, formatLabelSelector } from '../../api/selectors.ts';
import type { KubeObject, LabelSelector } from '../../api/types.ts';
import { type Answer, jsonAnswer } from '../answer.ts';
import type { CachedObject } from '../cache/object.ts';
import type { Context } from '../context.ts';
import { badRequest } from '../errors.ts';
import { applyObject, isApply, parseConfiguration } from '../registry/apply.ts';
import { checkDefinition } from '../registry/decode.ts';
import { readObject, writeTargetOf } from '../registry/handlers.ts';
import { parsePatch } from '../registry/patch.ts';
import { type ShownAs, updateObject } from '../registry/write.ts';
import type { KindRequest } from '../request.ts';
import { readBodyAs } from './bodies.ts';

interface Scale extends KubeObject {
  spec?: { replicas?: number };
  status?: { replicas: number; selector?: string };
}

const scaleKind = { definition: 'io.k8s.api.autoscaling.v1.Scale', schema: undefined };

/** `scale` of any kind that says where its numbers are: read, written and patched as if it were an object. */
export async function answerScale(context: Context, request: KindRequest): Promise<Answer> {
  const { kind, info } = request;
  if (info.verb === 'get') return jsonAnswer(scaleOf(kind, await readObject(context, request)));
  if (info.verb === 'patch' && isApply(request)) return applyScale(context, request);
  const change = info.verb === 'patch' ? patching(request) : await replacing(request);
  const target = writeTargetOf(request);
  const apply = (current: KubeObject) => {
    const scale = change(scaleObject(kind, current));
    const replicas = scale.spec?.replicas ?? 0;
    if (!Number.isInteger(replicas) || replicas < 0)
      throw badRequest('spec.replicas: must be a whole number, not below 0');
    write(current, kind.scale?.specReplicas ?? '.spec.replicas', replicas);
    if (info.verb === 'update')
      current.metadata = { ...current.metadata, resourceVersion: scale.metadata?.resourceVersion };
    else delete current.metadata?.resourceVersion;
    return current;
  };
  // To all but admission this is a write of the object itself: its generation goes up.
  const whole = { ...target, subresource: '', shownAs: asScale(kind) };
  const written = await updateObject(context, whole, apply, { retry: info.verb === 'patch' });
  return jsonAnswer(scaleOf(kind, written));
}

/** An apply of a scale is one of the object, with nothing but its replicas. */
async function applyScale(context: Context, request: KindRequest): Promise<Answer> {
  const { kind, target } = request;
  await readObject(context, request);
  const given = await parseConfiguration(request);
  const scale = checkDefinition(request, given, scaleKind.definition, 'Scale', 'v1') as Scale;
  const { resourceVersion } = scale.metadata ?? {};
  const config: KubeObject = { apiVersion: apiVersion(kind), kind: kind.kind, metadata: { name: target.name } };
  if (resourceVersion) metaOf(config).resourceVersion = resourceVersion;
  const replicas = scale.spec?.replicas;
  if (replicas !== undefined) write(config, kind.scale?.specReplicas ?? '.spec.replicas', replicas);
  const whole = { ...writeTargetOf(request), subresource: '', shownAs: asScale(kind) };
  const { object } = await applyObject(context, request, whole, config);
  return jsonAnswer(scaleOf(kind, object));
}

const asScale = (kind: Kind): ShownAs => ({
  subresource: 'scale',
  objectKind: { group: 'autoscaling', version: 'v1', kind: 'Scale', definition: scaleKind.definition },
  show: (object) => scaleObject(kind, object),
  takeOver(scale: Scale, whole) {
    const replicas = scale.spec?.replicas ?? 0;
    if (replicas === scaleObject(kind, whole).spec?.replicas) return;
    write(whole, kind.scale?.specReplicas ?? '.spec.replicas', replicas);
  },
});

function patching(request: KindRequest): (scale: Scale) => Scale {
  const { body, headers } = request.request;
  const patch = parsePatch({ ...request.kind, ...scaleKind }, body, headers['content-type']);
  return (scale) => patch(scale) as Scale;
}

async function replacing(request: KindRequest): Promise<(scale: Scale) => Scale> {
  const given = await readBodyAs<Scale>(request, scaleKind.definition, 'Scale');
  return () => given;
}

const scaleOf = (kind: Kind, object: CachedObject): Scale => scaleObject(kind, object.parse());

function scaleObject(kind: Kind, object: KubeObject): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  const paths = kind.scale;
  const selector = paths?.labelSelector ? selectorText(read(object, paths.labelSelector)) : undefined;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: numberAt(object, paths?.specReplicas) },
    status: { replicas: numberAt(object, paths?.statusReplicas), selector },
  };
}

const numberAt = (object: KubeObject, path: string | undefined) => Number(read(object, path ?? '') ?? 0);

/** A LabelSelector, a plain map (ReplicationController) or a ready text. */
function selectorText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const isSelector = 'matchLabels' in value || 'matchExpressions' in value;
  const selector = (isSelector ? value : { matchLabels: value }) as LabelSelector;
  return formatLabelSelector(compileLabelSelector(selector));
}

const partsOf = (path: string) => path.split('.').filter((part) => part !== '');

function read(object: unknown, path: string): unknown {
  return partsOf(path).reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined,
    object,
  );
}

function write(object: KubeObject, path: string, value: number): void {
  const parts = partsOf(path);
  const last = parts.pop() ?? '';
  let holder = object as Record<string, unknown>;
  for (const part of parts) {
    holder[part] ??= {};
    holder = holder[part] as Record<string, unknown>;
  }
  holder[last] = value;
}
