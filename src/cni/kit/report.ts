/** What the kit found. */

export type Verdict = 'pass' | 'fail' | 'not-applicable';

export interface CaseReport {
  /** A stable word, in kebab-case: `del-twice`. */
  readonly name: string;
  /** What the specification asks for. */
  readonly title: string;
  readonly verdict: Verdict;
  /** Why it failed, why it does not apply, or what was seen; may be empty for a pass. */
  readonly reason: string;
  readonly milliseconds: number;
}

export interface KitReport {
  /** Path of the executable. */
  readonly plugin: string;
  /** That it says it speaks. */
  readonly versions: readonly string[];
  readonly passed: number;
  readonly failed: number;
  readonly notApplicable: number;
  readonly cases: readonly CaseReport[];
}

export function summarize(
  plugin: string,
  versions: readonly string[],
  cases: readonly CaseReport[],
): KitReport {
  const count = (verdict: Verdict): number => cases.filter((one) => one.verdict === verdict).length;
  return {
    plugin,
    versions,
    passed: count('pass'),
    failed: count('fail'),
    notApplicable: count('not-applicable'),
    cases,
  };
}

const words: Readonly<Record<Verdict, string>> = { pass: 'pass', fail: 'FAIL', 'not-applicable': 'n/a ' };

/** A line a case, reasons below what failed. */
export function printReport({ plugin, versions, passed, failed, notApplicable, cases }: KitReport): string {
  const width = Math.max(...cases.map(({ name }) => name.length));
  const lines = cases.map(({ name, title, verdict, reason }) => {
    const first = `${words[verdict]}  ${name.padEnd(width)}  ${title}`;
    return reason === '' ? first : `${first}\n      ${' '.repeat(width)}  ${reason}`;
  });
  return [
    `${plugin}, versions ${versions.join(' ') || 'unknown'}`,
    ...lines,
    `${passed} passed, ${failed} failed, ${notApplicable} not applicable`,
  ].join('\n');
}
