/**
 * Paths of keys that stand twice in one object of a JSON text (`spec.replicas`, `spec.containers[0].name`), which
 * `JSON.parse` hides. The text must be valid JSON. It walks over every character.
 */
export function duplicateFields(text: string): string[] {
  const found = new Set<string>();
  const stack: Frame[] = [];
  let at = 0;
  while (at < text.length) {
    const top = stack.at(-1);
    switch (text.charCodeAt(at)) {
      case quote: {
        const end = stringEnd(text, at);
        if (top?.kind === 'object' && top.expectsKey) enterKey(top, text.slice(at, end), stack, found);
        at = end;
        continue;
      }
      case openBrace:
        stack.push({ kind: 'object', keys: new Set(), key: '', expectsKey: true });
        break;
      case openBracket:
        stack.push({ kind: 'list', index: 0 });
        break;
      case closeBrace:
      case closeBracket:
        stack.pop();
        break;
      case comma:
        if (top?.kind === 'object') top.expectsKey = true;
        else if (top) top.index++;
        break;
    }
    at++;
  }
  return [...found];
}

type Frame =
  | { readonly kind: 'object'; readonly keys: Set<string>; key: string; expectsKey: boolean }
  | { readonly kind: 'list'; index: number };

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

function enterKey(frame: Frame & { kind: 'object' }, literal: string, stack: readonly Frame[], found: Set<string>) {
  frame.key = literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1);
  frame.expectsKey = false;
  if (frame.keys.has(frame.key)) found.add(pathOf(stack));
  frame.keys.add(frame.key);
}

function pathOf(stack: readonly Frame[]): string {
  const path = stack.map((frame) => (frame.kind === 'object' ? `.${frame.key}` : `[${frame.index}]`)).join('');
  return path.startsWith('.') ? path.slice(1) : path;
}

/** The index after the closing quote. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== quote) at += text.charCodeAt(at) === backslash ? 2 : 1;
  return at + 1;
}
