/**
 * An error that a person can act on: what went wrong, and what to do about it.
 *
 * @example throw new KnitError('PORT_IN_USE', 'port 6443 is taken by nginx (pid 812)', 'stop it, or choose another with --api-port')
 */
export class KnitError extends Error {
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: string, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KnitError';
    this.code = code;
    this.hint = hint;
  }
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
