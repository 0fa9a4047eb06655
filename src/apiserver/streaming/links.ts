import { pipeline, type Readable } from 'node:stream';
import { createDeflate, createGunzip, createGzip, createInflate } from 'node:zlib';
import { RewritingStream } from 'parse5-html-rewriting-stream';

/** Attributes that hold URLs (https://html.spec.whatwg.org/multipage/indices.html#attributes-3, and HTML 4's). */
const linkAttributes: ReadonlyMap<string, readonly string[]> = new Map([
  ['a', ['href']],
  ['applet', ['codebase']],
  ['area', ['href']],
  ['audio', ['src']],
  ['base', ['href']],
  ['blockquote', ['cite']],
  ['body', ['background']],
  ['button', ['formaction']],
  ['command', ['icon']],
  ['del', ['cite']],
  ['embed', ['src']],
  ['form', ['action']],
  ['frame', ['longdesc', 'src']],
  ['head', ['profile']],
  ['html', ['manifest']],
  ['iframe', ['longdesc', 'src']],
  ['img', ['longdesc', 'src', 'usemap']],
  ['input', ['src', 'usemap', 'formaction']],
  ['ins', ['cite']],
  ['link', ['href']],
  ['object', ['classid', 'codebase', 'data', 'usemap']],
  ['q', ['cite']],
  ['script', ['src']],
  ['source', ['src']],
  ['video', ['poster', 'src']],
]);

const codings = {
  gzip: [createGunzip, createGzip],
  deflate: [createInflate, createDeflate],
} as const;

/**
 * A page as it comes, plain or in one of the codings above, each of its links replaced by what `rewrite` makes of it;
 * all else is left as it is written. Takes the page to be UTF-8.
 */
export function rewriteLinks(page: Readable, coding: string | undefined, rewrite: (url: string) => string): Readable {
  const rewriter = new RewritingStream();
  rewriter.on('startTag', (tag, raw) => {
    let changed = false;
    for (const attribute of tag.attrs) {
      if (!linkAttributes.get(tag.tagName)?.includes(attribute.name)) continue;
      const value = rewrite(attribute.value);
      changed ||= value !== attribute.value;
      attribute.value = value;
    }
    if (changed) rewriter.emitStartTag(tag);
    else rewriter.emitRaw(raw);
  });
  // A failure of either end ends both, and the reader of the last one sees it.
  const ended = (): void => undefined;
  const [decode, encode] = codings[coding as keyof typeof codings] ?? [];
  if (!decode || !encode) return pipeline(page.setEncoding('utf8'), rewriter, ended);
  return pipeline(page, decode().setEncoding('utf8'), rewriter, encode(), ended);
}
