// URLs as Go's net/url reads them, which takes more than the URL of the web platform does, and words its errors so.

/** The parts of a URL that validation asks about; what is not there is empty. */
export interface GoUrl {
  readonly scheme: string;
  readonly host: string;
  /** Before the `@`, where there is one. */
  readonly user?: string;
  readonly query: string;
  readonly fragment: string;
}

class Unreadable extends Error {}

/** Reads a URL, or says in Go's words why it cannot be read. */
export function parseGoUrl(text: string): GoUrl | { readonly error: string } {
  const [url, fragment] = cut(text, '#');
  try {
    const parts = partsOf(url);
    checkEscapes(fragment);
    return { ...parts, fragment };
  } catch (error) {
    if (error instanceof Unreadable) return { error: `parse ${JSON.stringify(url)}: ${error.message}` };
    throw error;
  }
}

function partsOf(url: string): Omit<GoUrl, 'fragment'> {
  if (/[\x00-\x1f\x7f]/.test(url)) throw new Unreadable('net/url: invalid control character in URL');
  if (url.startsWith(':')) throw new Unreadable('missing protocol scheme');
  const scheme = /^([a-zA-Z][-+.a-zA-Z0-9]*):/.exec(url)?.[1] ?? '';
  const [rest, query] = cut(scheme === '' ? url : url.slice(scheme.length + 1), '?');
  const found = { scheme: scheme.toLowerCase(), host: '', query };
  if (!rest.startsWith('/')) {
    if (scheme !== '') return found;
    if (cut(rest, '/')[0].includes(':')) throw new Unreadable('first path segment in URL cannot contain colon');
  }
  if (!rest.startsWith('//') || (scheme === '' && rest.startsWith('///'))) {
    checkEscapes(rest);
    return found;
  }
  const [authority, path] = cut(rest.slice(2), '/');
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  checkHost(host);
  if (at >= 0) checkUser(authority.slice(0, at));
  checkEscapes(path);
  return { ...found, host, ...(at >= 0 && { user: authority.slice(0, at) }) };
}

function checkHost(host: string): void {
  const end = host.lastIndexOf(']');
  if (host.startsWith('[') && end < 0) throw new Unreadable("missing ']' in host");
  const colon = host.startsWith('[') ? end + 1 : host.lastIndexOf(':');
  const port = colon < 0 ? '' : host.slice(colon);
  if (!/^(:\d*)?$/.test(port)) throw new Unreadable(`invalid port ${JSON.stringify(port)} after host`);
  checkEscapes(host);
  const strange = /[^-\w.~!$&'()*+,;=:[\]<>"%\x80-\u{10ffff}]/u.exec(host)?.[0];
  if (strange !== undefined) throw new Unreadable(`invalid character ${JSON.stringify(strange)} in host name`);
}

function checkUser(user: string): void {
  if (!/^[-\w.:~!$&'()*+,;=%@]*$/.test(user)) throw new Unreadable('net/url: invalid userinfo');
  checkEscapes(user);
}

function checkEscapes(text: string): void {
  const wrong = /%(?![0-9a-fA-F]{2}).{0,2}/su.exec(text)?.[0];
  if (wrong !== undefined) throw new Unreadable(`invalid URL escape ${JSON.stringify(wrong)}`);
}

function cut(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
