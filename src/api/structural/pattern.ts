const compiled = new Map<string, RegExp>();
/** Patterns that are kept compiled; they come from the schemas of CRDs, which are few. */
const KEPT = 5000;

/**
 * A pattern as Go's RE2 reads it. JavaScript's syntax is the same but for flags at the start, classes by name and the
 * ends of texts.
 *
 * @throws SyntaxError for what is no pattern
 */
export function compilePattern(pattern: string): RegExp {
  let found = compiled.get(pattern);
  if (!found) {
    if (compiled.size >= KEPT) compiled.clear();
    found = toRegExp(pattern);
    compiled.set(pattern, found);
  }
  return found;
}

const classes: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

function toRegExp(pattern: string): RegExp {
  const [, flags = '', rest = ''] = /^(?:\(\?([imsU]+)\))?([\s\S]*)$/.exec(pattern) ?? [];
  const source = rest
    .replace(/\[:(\^?)(\w+):\]/g, (whole, _not: string, name: string) => classes[name] ?? whole)
    .replace(/\(\?P</g, '(?<')
    .replace(/\\A/g, '^')
    .replace(/\\z/g, '$');
  // Escapes that JavaScript refuses in its Unicode mode (`\-`, `\_`) are fine in Go.
  const wanted = flags.replace('U', '');
  try {
    return new RegExp(source, `${wanted}u`);
  } catch {
    return new RegExp(source, wanted);
  }
}
