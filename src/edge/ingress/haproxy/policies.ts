import type { BackendPolicy, HeaderChange } from '../plan.ts';
import { corsLines } from './cors.ts';
import { formatted, quoted } from './quoting.ts';

/** What a backend's section says of its policy. */
export function policyLines(policy: BackendPolicy): string[] {
  const { connectTimeoutMs, responseTimeoutMs, tunnelTimeoutMs, affinityCookie, httpsRedirect, redirect } = policy;
  const { host, requestHeaders = [], responseHeaders = [], cors, answer } = policy;
  return [
    ...(connectTimeoutMs === undefined ? [] : [`timeout connect ${connectTimeoutMs}ms`]),
    ...(responseTimeoutMs === undefined ? [] : [`timeout server ${responseTimeoutMs}ms`]),
    ...(tunnelTimeoutMs === undefined ? [] : [`timeout tunnel ${tunnelTimeoutMs}ms`]),
    // The cookie is made of the server's address, so that it also means something to the process after a reload.
    ...(affinityCookie === undefined
      ? []
      : ['dynamic-cookie-key knit', `cookie ${quoted(affinityCookie)} insert indirect nocache httponly dynamic`]),
    ...(httpsRedirect ? ['http-request redirect scheme https code 308 unless { ssl_fc }'] : []),
    ...(answer === undefined ? [] : [`http-request return status ${answer}`]),
    // Who is not the right one now is not in ten seconds either.
    ...(policy.tls ? ['retries 3'] : []),
    ...(cors ? corsLines(cors) : []),
    ...requestHeaders.map((each) => `http-request ${headerAction(each)}`),
    ...responseHeaders.map((each) => `http-response ${headerAction(each)}`),
    ...(host === undefined ? [] : [`http-request set-header Host ${formatted(host)}`]),
    ...rewriteLines(policy.rewrite),
    ...(redirect ? [`http-request redirect location ${locationOf(redirect)} code ${redirect.code}`] : []),
  ];
}

function headerAction(header: HeaderChange): string {
  const name = quoted(header.name);
  return header.change === 'remove'
    ? `del-header ${name}`
    : `${header.change}-header ${name} ${formatted(header.value)}`;
}

function locationOf(redirect: NonNullable<BackendPolicy['redirect']>): string {
  if ('url' in redirect) return formatted(redirect.url);
  const { scheme, host = '%[req.hdr(host),host_only]', port } = redirect;
  return quoted(`${scheme}://${host}${port === undefined ? '' : `:${port}`}%[pathq]`);
}

/** As Gateway API's ReplacePrefixMatch: `/shop` replaced by `/`: `/shop/cart` becomes `/cart`, `/shop` becomes `/`. */
function rewriteLines(rewrite: BackendPolicy['rewrite']): string[] {
  if (!rewrite) return [];
  if ('path' in rewrite) return [`http-request set-path ${formatted(rewrite.path)}`];
  const from = rewrite.prefix.replace(/\/+$/, '');
  const to = rewrite.to.replace(/\/+$/, '');
  const below = `^${from.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}/(.*)`;
  const isWhole = `{ var(txn.whole) -m str ${quoted(from)} }`;
  return [
    'http-request set-var(txn.whole) path',
    `http-request set-path ${formatted(to || '/')} if ${isWhole}`,
    `http-request replace-path ${quoted(below)} ${formatted(`${to}/`, '\\1')} unless ${isWhole}`,
  ];
}
