/** A word as it is, whatever stands in it. Front ends let no control characters through: a newline ends a line in quotes, too. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The same where HAProxy would replace what begins with `%`, or with a backslash; `after` is meant so. */
export function formatted(text: string, after = ''): string {
  return quoted(text.replaceAll('%', '%%').replaceAll('\\', '\\\\') + after);
}

/** An argument of a function in a word that is {@link quoted}. */
export function argument(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
