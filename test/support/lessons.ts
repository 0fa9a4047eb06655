import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tryRun } from '../../src/kernel/run.ts';

const project = join(import.meta.dirname, '../..');

/** A block of commands of a lesson, and what stands below it as their output. */
export interface Step {
  readonly commands: string;
  /** Lines in their order; `…` stands for any lines, or for any words of one. */
  readonly shown: readonly string[];
}

/** Fenced blocks: `sh` is run, `text` is what the commands before it print. */
export function stepsOf(markdown: string): Step[] {
  const steps: { commands: string; shown: string[] }[] = [];
  for (const [, kind, body = ''] of markdown.matchAll(/^```(sh|text)\n(.*?)^```$/gms)) {
    if (kind === 'sh') steps.push({ commands: body, shown: [] });
    else steps.at(-1)?.shown.push(...body.trimEnd().split('\n'));
  }
  return steps;
}

export const readLesson = (path: string): Step[] =>
  stepsOf(readFileSync(join(project, 'examples/journeys', path), 'utf8'));

/** The folders of `examples/journeys`, in the order of their numbers. */
export function lessonFolders(): string[] {
  const folders = readdirSync(join(project, 'examples/journeys'), { withFileTypes: true });
  const names = folders.filter((each) => each.isDirectory()).map(({ name }) => name);
  return names.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

const MARK = '=== step ';

/** Runs a lesson's commands in one shell, as a person does; what each step printed. Throws with the output where one fails. */
export async function runSteps(steps: readonly Step[], cluster: string): Promise<string[]> {
  const script = steps.map(({ commands }, index) => `echo '${MARK}${index}'\n${commands}`).join('\n');
  const path = `${join(project, 'bin')}:${process.env.PATH}`;
  const env = { ...process.env, PATH: path, KNIT_NAME: cluster };
  const options = { cwd: project, env, timeoutMs: 240_000 };
  const { code, stdout, stderr } = await tryRun('bash', ['-euo', 'pipefail', '-c', script], options);
  if (code !== 0) throw new Error(`a lesson's commands ended with ${code}\n${stdout}\n${stderr}`);
  return stdout.split(new RegExp(`^${MARK}\\d+\\n`, 'm')).slice(1);
}

/** The first shown line that the output lacks, after those before it; undefined where it has all. */
export function missingLine({ shown }: Step, output: string): string | undefined {
  const lines = output.split('\n');
  let at = 0;
  for (const line of shown) {
    if (line.trim() === '…' || line.trim() === '') continue;
    const pattern = patternOf(line);
    while (at < lines.length && !pattern.test(lines[at] ?? '')) at++;
    if (at === lines.length) return line;
    at++;
  }
  return undefined;
}

/** A line as it is another time: numbers, units of time, names that end in random letters, and columns' widths differ. */
function patternOf(line: string): RegExp {
  const words = line
    .trim()
    .split(/\s+/)
    .map((word) => {
      if (word === '…') return '.*';
      if (/^veth[0-9a-f]+$/.test(word)) return 'veth[0-9a-f]+';
      if (/^(µs|ms|s)$/.test(word)) return '(µs|ms|s)';
      const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      return escaped
        .replace(/(knit-dns)-[a-z0-9]+-[a-z0-9]+/, '$1-[a-z0-9]+-[a-z0-9]+')
        .replace(/\d+(\\\.\d+)*/g, '[\\d.]+');
    });
  return new RegExp(`^\\s*${words.join('\\s+')}\\s*$`);
}
