import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** What `dig` made of one answer. */
export interface Answer {
  readonly status: string;
  readonly flags: readonly string[];
  /** `NAME TTL TYPE DATA`, sorted. */
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
}

/** A question as words for `dig`, and what is to come. */
export type Row = readonly [
  query: string,
  status: string,
  answer?: readonly string[],
  more?: Partial<Record<'authority' | 'additional', readonly string[]>>,
];

/** Asks all at once in one `dig`, in order. */
export async function dig(port: number, queries: readonly string[], address = '127.0.0.1'): Promise<Answer[]> {
  const common = '+time=2 +tries=1 +nocookie +noall +comments +answer +authority +additional'.split(' ');
  // An option of one query stands behind its name, and a name may look like an option.
  const words = queries.flatMap((query) => {
    const parts = query.split(' ');
    const rest = parts.filter((part) => !part.startsWith('+'));
    return [...(rest[0] === '-x' ? [] : ['-q']), ...rest, ...parts.filter((part) => part.startsWith('+'))];
  });
  const args = [`@${address}`, '-p', String(port), ...common, ...words];
  const { stdout } = await promisify(execFile)('dig', args, { timeout: 60_000, maxBuffer: 1 << 24 });
  const answers = stdout.split(/^;; Got answer:/m).slice(1);
  return answers.map(parseAnswer);
}

function parseAnswer(text: string): Answer {
  const section = (name: string) =>
    (text.split(`;; ${name} SECTION:\n`)[1]?.split(/^;;|^$/m)[0] ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(/\s+/g, ' ').replace(/ IN /, ' '))
      .sort();
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? 'no answer',
    flags: (/;; flags: ([^;]*);/.exec(text)?.[1] ?? '').split(' '),
    answer: section('ANSWER'),
    authority: section('AUTHORITY'),
    additional: section('ADDITIONAL'),
  };
}
