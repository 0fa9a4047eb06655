import type { FieldError } from '../kind.ts';
import { invalid, required } from './errors.ts';
import { parseGoUrl } from './go-url.ts';
import { dnsSubdomain, faults, portNumber } from './names.ts';

/** Where a webhook listens: at a URL or behind a Service, one of them. */
export interface WebhookClient {
  url?: string;
  service?: WebhookService;
}

export interface WebhookService {
  name?: string;
  namespace?: string;
  path?: string;
  port?: number;
}

export function validateWebhookClient({ url, service }: WebhookClient, field: string): FieldError[] {
  if ((url === undefined) === (service === undefined)) {
    return [required(field, 'exactly one of url or service is required')];
  }
  if (url !== undefined) return validateUrl(url, `${field}.url`);
  return service ? validateService(service, `${field}.service`) : [];
}

const form = '; desired format: https://host[/path]';

function validateUrl(text: string, field: string): FieldError[] {
  const url = parseGoUrl(text);
  if ('error' in url) return [required(field, `url must be a valid URL: ${url.error}${form}`)];
  const errors: FieldError[] = [];
  if (url.scheme !== 'https') errors.push(invalid(field, url.scheme, `'https' is the only allowed URL scheme${form}`));
  if (url.host === '') errors.push(invalid(field, '', `host must be specified${form}`));
  if (url.user !== undefined) errors.push(invalid(field, url.user, 'user information is not permitted in the URL'));
  if (url.fragment !== '') errors.push(invalid(field, url.fragment, 'fragments are not permitted in the URL'));
  if (url.query !== '') errors.push(invalid(field, url.query, 'query parameters are not permitted in the URL'));
  return errors;
}

function validateService({ name, namespace, path, port = 443 }: WebhookService, field: string): FieldError[] {
  const wrongPort = portNumber(port);
  return [
    // Kubernetes takes one for the other here, and so names the field that is there.
    ...(namespace ? [] : [required(`${field}.name`)]),
    ...(name ? [] : [required(`${field}.namespace`)]),
    ...(wrongPort ? [invalid(`${field}.port`, port, `port is not valid: ${wrongPort}`)] : []),
    ...(path ? faultsOfPath(path).map((wrong) => invalid(`${field}.path`, path, wrong)) : []),
  ];
}

function faultsOfPath(path: string): string[] {
  if (path === '/') return [];
  if (path === '//') return ['segment[0] may not be empty'];
  // Whatever the first character is, it is none of the first segment.
  const segments = path.slice(1).replace(/\/$/, '').split('/');
  return [
    ...(path.startsWith('/') ? [] : ["must start with a '/'"]),
    ...segments.flatMap((segment, index) =>
      segment === ''
        ? [`segment[${index}] may not be empty`]
        : faults(dnsSubdomain, segment).map((wrong) => `segment[${index}]: ${wrong}`),
    ),
  ];
}
