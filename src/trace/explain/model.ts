import { catalogue, type FaultCode } from './catalogue.ts';

/** A fault at an object. */
export interface Finding {
  readonly code: FaultCode;
  /** `Service shop/db`, `pod shop/cart`. */
  readonly subject: string;
  /** What is wrong here, in one sentence. */
  readonly message: string;
  /** What it was seen by. */
  readonly evidence: readonly string[];
  readonly mend: string;
  /** Codes and subjects of what it follows from; empty for a root. */
  readonly causedBy: readonly string[];
  /** Some ways are hit, others work. */
  readonly partial?: true;
}

/** One thing that was looked at, whether it was in order or not. */
export interface Check {
  /** `name`, `service`, `endpoints`, `egress`, `ingress` … */
  readonly name: string;
  readonly outcome: 'pass' | 'fail' | 'unknown' | 'note';
  readonly text: string;
}

/** `unknown`: objects alone cannot tell, and what they cannot tell is said in a check. */
export type Verdict = 'allowed' | 'denied' | 'unknown';

export interface Explanation {
  readonly from: string;
  readonly to: string;
  readonly verdict: Verdict;
  /** In the order of a packet's way. */
  readonly checks: readonly Check[];
  readonly findings: readonly Finding[];
}

export interface FindingDetails {
  readonly evidence?: readonly string[];
  /** Where the catalogue's says less than is known here. */
  readonly mend?: string;
  readonly causedBy?: readonly Finding[];
  readonly partial?: boolean;
}

export const idOf = ({ code, subject }: Pick<Finding, 'code' | 'subject'>): string => `${code} ${subject}`;

/** What is found on the way, in order; the same fault of the same object once. */
export class Report {
  readonly checks: Check[] = [];
  readonly #findings = new Map<string, Finding>();

  get findings(): Finding[] {
    return [...this.#findings.values()];
  }

  pass(name: string, text: string): void {
    this.checks.push({ name, outcome: 'pass', text });
  }

  unknown(name: string, text: string): void {
    this.checks.push({ name, outcome: 'unknown', text });
  }

  note(name: string, text: string): void {
    this.checks.push({ name, outcome: 'note', text });
  }

  fail(name: string, code: FaultCode, subject: string, message: string, details: FindingDetails = {}): Finding {
    const finding: Finding = {
      code,
      subject,
      message,
      evidence: details.evidence ?? [],
      mend: details.mend ?? catalogue[code].mend,
      causedBy: (details.causedBy ?? []).map(idOf),
      ...(details.partial ? { partial: true } : {}),
    };
    const known = this.#findings.get(idOf(finding));
    if (known && (!known.partial || finding.partial)) return known;
    this.#findings.set(idOf(finding), finding);
    this.checks.push({ name, outcome: details.partial ? 'note' : 'fail', text: message });
    return finding;
  }

  /** Takes over what was found on several ways: what hits only some of them is partial. */
  include(ways: readonly Report[]): void {
    const all = ways.every(({ verdict }) => verdict === 'denied');
    for (const { checks, findings } of ways) {
      for (const check of checks) {
        const isTold = this.checks.some(({ name, text }) => name === check.name && text === check.text);
        if (!isTold) this.checks.push(check.outcome === 'fail' && !all ? { ...check, outcome: 'note' } : check);
      }
      for (const finding of findings) {
        const known = this.#findings.get(idOf(finding));
        if (!known) this.#findings.set(idOf(finding), all ? finding : { ...finding, partial: true });
      }
    }
  }

  get verdict(): Verdict {
    if (this.checks.some(({ outcome }) => outcome === 'fail')) return 'denied';
    return this.checks.some(({ outcome }) => outcome === 'unknown') ? 'unknown' : 'allowed';
  }
}

/** Findings that follow from no other. */
export function roots(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ causedBy }) => causedBy.length === 0);
}
