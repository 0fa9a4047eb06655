import { type Ink, plainInk } from '../render/tree.ts';
import { type Check, type Explanation, type Finding, idOf, roots } from './model.ts';
import type { Sweep } from './sweep.ts';

const marks = { pass: '✓', fail: '✗', unknown: '?', note: '·' } as const;

/** An answer as a person reads it: the verdict with its root, the checks in order, and what to do. */
export function drawExplanation(explanation: Explanation, ink: Ink = plainInk): string {
  const { verdict, checks, findings } = explanation;
  const found = roots(findings);
  const good = verdict === 'allowed';
  const mark = good ? ink.good('✓ allowed') : verdict === 'denied' ? ink.bad('✗ denied') : ink.bold('? unknown');
  const codes = [...new Set(found.map(({ code }) => code))].join(' ');
  return [
    ` ${mark}   ${ink.bold(codes)}`.trimEnd(),
    ...drawChecks(checks, ink),
    ...drawFindings(found, findings, ink),
  ].join('\n');
}

/** The same fault of several objects is told of the first. */
function drawFindings(found: readonly Finding[], all: readonly Finding[], ink: Ink): string[] {
  return [...Map.groupBy(found, ({ code }) => code).values()].flatMap(([first, ...others]) =>
    first ? ['', ...drawFinding(first, others, all, ink)] : [],
  );
}

function drawChecks(checks: readonly Check[], ink: Ink): string[] {
  const width = Math.max(0, ...checks.map(({ name }) => name.length));
  return checks.map(({ name, outcome, text }) => {
    const mark = outcome === 'pass' ? ink.good(marks.pass) : outcome === 'fail' ? ink.bad(marks.fail) : marks[outcome];
    return `   ${ink.dim(name.padEnd(width))}  ${mark} ${text}`;
  });
}

function drawFinding(finding: Finding, others: readonly Finding[], all: readonly Finding[], ink: Ink): string[] {
  const followers = all.filter(({ causedBy }) => causedBy.includes(idOf(finding)));
  const more = others.map(({ subject }) => subject).join(', ');
  return [
    ` ${ink.bad(finding.code)}  ${finding.message}${finding.partial ? ' (others work)' : ''}`,
    ...finding.evidence.filter(Boolean).map((line) => `   ${ink.dim('seen')}     ${line}`),
    ...(more ? [`   ${ink.dim('also')}     ${more}`] : []),
    `   ${ink.dim('mend')}     ${finding.mend}`,
    ...followers.map((each) => `   ${ink.dim('so')}       ${each.code}: ${each.message}`),
  ];
}

export function drawSweep({ looked, findings, notes }: Sweep, ink: Ink = plainInk): string {
  const found = roots(findings);
  const counted = Object.entries(looked)
    .map(([what, count]) => `${count} ${what}`)
    .join(', ');
  const verdict = found.length === 0 ? ink.good('✓ nothing found') : ink.bad(`✗ ${found.length} found`);
  return [
    ` ${verdict}   ${ink.dim(`looked at ${counted}`)}`,
    ...drawFindings(found, findings, ink),
    ...(notes.length > 0 ? ['', ...drawChecks(notes, ink)] : []),
  ].join('\n');
}
