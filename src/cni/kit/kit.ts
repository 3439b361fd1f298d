/**
 * Runs a CNI plugin, whoever made it, through the whole specification. Works in the calling thread's network namespace,
 * which is taken for a node: give it one of its own, with a mount namespace, as `podnet cni test` does.
 */
import { errorMessage } from '../../model/errors.ts';
import { cniVersions } from '../spec/versions.ts';
import { Bench, type KitOptions } from './bench.ts';
import { Violation, describeOutcome } from './call-plugin.ts';
import type { Facts, KitCase } from './case.ts';
import { addCases } from './cases-add.ts';
import { checkCases } from './cases-check.ts';
import { delCases } from './cases-del.ts';
import { inputCases } from './cases-input.ts';
import { type CaseReport, type KitReport, summarize } from './report.ts';

/** In the order of the report. */
export const kitCases: readonly KitCase[] = [...addCases, ...delCases, ...checkCases, ...inputCases];

export async function runKit(options: KitOptions): Promise<KitReport> {
  const bench = new Bench(options);
  try {
    const facts = await findFacts(bench);
    if (typeof facts === 'string') return failedAtOnce(options.plugin, facts);
    const reports: CaseReport[] = [];
    for (const kitCase of kitCases) reports.push(await runCase(kitCase, bench, facts));
    return summarize(options.plugin, facts.versions, reports);
  } finally {
    await bench.clean();
    bench.close();
  }
}

/** What the plugin is like, from VERSION and one ADD; a reason when it cannot even do these. */
async function findFacts(bench: Bench): Promise<Facts | string> {
  try {
    const answer = await bench.call('VERSION', { stdin: '{"cniVersion":"1.0.0"}' });
    if (answer.status !== 0 || !answer.json) return describeOutcome(answer);
    const list: unknown = answer.json['supportedVersions'];
    const versions = Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];
    const common = cniVersions.filter((version) => versions.includes(version));
    const latest = common.at(-1);
    if (latest === undefined)
      return `VERSION names no version the kit knows: ${versions.join(', ') || 'it has no supportedVersions'}`;
    bench.version = latest;
    await bench.rememberInitial();
    const pod = bench.pod();
    const prevResult = await bench.addBefore(pod, latest);
    const rulesBefore = rules(await bench.node());
    if (prevResult) await bench.delBefore(pod, latest);
    const attached = await bench.attach(pod);
    const { result, ifName } = attached;
    const hasRules = rules(await bench.node()) > rulesBefore;
    await bench.detach(attached);
    await bench.rememberSettled();
    return {
      versions,
      common,
      makesInterface: result.interfaces?.some(({ name, sandbox }) => name === ifName && sandbox) ?? false,
      hasAddresses: (result.ips ?? []).some(({ address }) => !/^(127\.|::1\/)/.test(address)),
      hasRoutes: (result.routes ?? []).length > 0,
      hasRules,
      isChained: bench.options.before !== undefined,
    };
  } catch (error) {
    return `the first ADD failed: ${errorMessage(error)}`;
  }
}

const rules = (lines: readonly string[]): number => lines.filter((line) => line.startsWith('nft ')).length;

async function runCase(
  { name, title, notFor, run }: KitCase,
  bench: Bench,
  facts: Facts,
): Promise<CaseReport> {
  const reason = notFor?.(facts);
  if (reason !== undefined) return { name, title, verdict: 'not-applicable', reason, milliseconds: 0 };
  const started = performance.now();
  const done = (verdict: 'pass' | 'fail', why: string): CaseReport => ({
    name,
    title,
    verdict,
    reason: why,
    milliseconds: Math.round(performance.now() - started),
  });
  let report: CaseReport;
  try {
    report = done('pass', (await run(bench, facts)) ?? '');
  } catch (error) {
    // Anything but a Violation is the kit's own failure, and must not pass for the plugin's.
    const own = error instanceof Violation ? '' : 'the kit failed: ';
    report = done('fail', `${own}${errorMessage(error)}`);
  }
  await bench.clean();
  // What a case left behind that failed is no reason for the next one to fail.
  if (report.verdict === 'fail') await bench.remember();
  return report;
}

function failedAtOnce(plugin: string, reason: string): KitReport {
  const report: CaseReport = {
    name: 'version-and-add',
    title: 'the plugin says its versions and can add a container',
    verdict: 'fail',
    reason,
    milliseconds: 0,
  };
  return summarize(plugin, [], [report]);
}
