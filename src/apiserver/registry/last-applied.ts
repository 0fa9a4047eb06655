import { metaOf } from '../../api/kind.ts';
import {
  type Conflict,
  difference,
  fieldSetOf,
  isEmpty,
  type Place,
  type Writer,
} from '../../api/managed-fields/index.ts';
import type { KubeObject } from '../../api/types.ts';

/** Where client-side apply keeps what it applied. */
const ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration';

/** Who may go over from client-side to server-side apply; other managers of kubectl's opt out by their name. */
const isKubectl = ({ manager }: Writer): boolean => manager === 'kubectl';

/**
 * The conflicts that remain when kubectl takes over what kubectl itself applied client-side before (Kubernetes'
 * LastAppliedManager). One that is left leaves its whole fields in the list.
 */
export function heldByLastApplied(
  place: Place,
  writer: Writer,
  live: KubeObject,
  conflicts: readonly Conflict[],
): readonly Conflict[] {
  const own = isKubectl(writer) ? lastApplied(live) : undefined;
  if (own === undefined) return conflicts;
  const allowed = fieldSetOf(place, own);
  return conflicts
    .map(({ entry, fields }) => ({ entry, fields: difference(fields, allowed) }))
    .filter(({ fields }) => !isEmpty(fields));
}

function lastApplied(object: KubeObject): unknown {
  const text = object.metadata?.annotations?.[ANNOTATION];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Anybody may write an annotation: one that is no configuration allows nothing.
    return undefined;
  }
}

/** An object that was applied client-side keeps its annotation true, so that one may go back (LastAppliedUpdater). */
export function renewLastApplied(writer: Writer, object: KubeObject, config: KubeObject): void {
  if (!isKubectl(writer) || object.metadata?.annotations?.[ANNOTATION] === undefined) return;
  const { [ANNOTATION]: _old, ...annotations } = config.metadata?.annotations ?? {};
  const text = `${JSON.stringify({ ...config, metadata: { ...config.metadata, annotations } })}\n`;
  const metadata = metaOf(object);
  metadata.annotations = { ...metadata.annotations, [ANNOTATION]: text };
}
