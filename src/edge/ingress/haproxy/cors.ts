import type { CrossOrigin } from '../plan.ts';
import { formatted, quoted } from './quoting.ts';

/**
 * A backend's rules for requests from pages of other origins. Preflights are answered here; the answer's headers are
 * written after that, to every answer, where the origin is one of those (Fetch standard, "CORS protocol").
 */
export function corsLines({ origins, credentials, methods, headers, exposed, maxAge }: CrossOrigin): string[] {
  const allow = (name: string, value: string, condition = '') =>
    `http-after-response set-header Access-Control-${name} ${value} if from_elsewhere ${condition}`.trim();
  const preflight = (name: string, values: readonly string[], asked: string) => {
    if (values.length === 0) return [];
    // What is allowed to all is told as it was asked for: with credentials an asterisk means nothing.
    if (values.includes('*')) return [allow(name, `%[var(txn.${asked})]`, `preflight { var(txn.${asked}) -m found }`)];
    return [allow(name, formatted(values.join(', ')), 'preflight')];
  };
  const shown = exposed.filter((name) => name !== '*' || !credentials);
  return [
    ...origins.map((origin) => `http-request set-var(txn.origin) req.fhdr(origin) if ${isOrigin(origin)}`),
    'http-request set-var(txn.cors_method) req.fhdr(access-control-request-method) if { method OPTIONS }',
    'http-request set-var(txn.cors_headers) req.fhdr(access-control-request-headers) if { method OPTIONS }',
    'acl from_elsewhere var(txn.origin) -m found',
    'acl preflight var(txn.cors_method) -m found',
    'http-request return status 204 if preflight',
    allow('Allow-Origin', '%[var(txn.origin)]'),
    ...(credentials ? [allow('Allow-Credentials', 'true')] : []),
    ...(shown.length > 0 ? [allow('Expose-Headers', formatted(shown.join(', ')))] : []),
    ...preflight('Allow-Methods', methods, 'cors_method'),
    ...preflight('Allow-Headers', headers, 'cors_headers'),
    allow('Max-Age', String(maxAge), 'preflight'),
    'http-after-response add-header Vary Origin',
  ];
}

/** An origin may have asterisks, which mean any characters. */
function isOrigin(origin: string): string {
  if (origin === '*') return '{ req.fhdr(origin) -m found }';
  const pattern = origin.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return `{ req.fhdr(origin) -i -m reg -- ${quoted(`^${pattern.join('.*')}$`)} }`;
}
