/** Hostnames of the Gateway API: `a.test`, `*.test` (one label or more), `''` for all. Lower case. */

/** Whether each host that `inner` means is one of `outer`. */
export function covers(outer: string, inner: string): boolean {
  if (outer === '' || outer === inner) return true;
  if (!outer.startsWith('*.')) return false;
  return inner.replace(/^\*/, '').endsWith(outer.slice(1)) && inner !== '';
}

/** All hostnames that mean what this one means: itself, wildcards of its domains, `''`. The more specific first. */
export function covering(host: string): string[] {
  const labels = host.replace(/^\*\./, '').split('.');
  const first = host.startsWith('*.') ? 0 : 1;
  const wildcards = labels.slice(first).map((_, index) => `*.${labels.slice(first + index).join('.')}`);
  return [...new Set([host, ...(host === '' ? [] : wildcards), ''])];
}

/** What both mean; undefined: nothing. */
export function intersection(a: string, b: string): string | undefined {
  if (covers(a, b)) return b;
  return covers(b, a) ? a : undefined;
}

/** The more specific first: exact ones, then those with the longest suffix, then `''`. */
export function moreSpecificFirst(a: string, b: string): number {
  const kind = (host: string) => (host === '' ? 2 : host.startsWith('*.') ? 1 : 0);
  return kind(a) - kind(b) || b.length - a.length || (a < b ? -1 : a > b ? 1 : 0);
}
