import type { PodTemplateSpec } from '../api/types.ts';

export const TEMPLATE_HASH_LABEL = 'pod-template-hash';

/** Kubernetes' alphabet for generated parts of names: no vowels, hence no words. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** Whether two templates make the same pods; the label that tells ReplicaSets apart does not count. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return canonical(withoutHash(a)) === canonical(withoutHash(b));
}

/**
 * The value of `pod-template-hash`: FNV-1a over the template, and over `collisionCount` where another template had
 * the same hash. Ours differ from kube-controller-manager's; a ReplicaSet is found by its template, not by its name.
 */
export function templateHash(template: PodTemplateSpec, collisionCount = 0): string {
  const text = canonical(withoutHash(template)) + (collisionCount > 0 ? collisionCount : '');
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return [...String(hash)].map((digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length]).join('');
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const { [TEMPLATE_HASH_LABEL]: _, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels, creationTimestamp: undefined } };
}

/** JSON with sorted keys, without what is empty: absent, `null` and `{}` mean the same in a template. */
function canonical(value: unknown): string {
  return JSON.stringify(sorted(value)) ?? '';
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => sorted(item) ?? null);
  if (typeof value !== 'object' || value === null) return value ?? undefined;
  const entries = Object.entries(value)
    .map(([key, item]) => [key, sorted(item)] as const)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}
