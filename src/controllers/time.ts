import { formatTime } from '../api/schema/time.ts';

/** `metav1.Time`: RFC 3339, whole seconds. */
export function timestamp(ms: number = Date.now()): string {
  return formatTime(new Date(ms));
}
