/** `metav1.Time`: RFC 3339, whole seconds. */
export function timestamp(ms: number = Date.now()): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
