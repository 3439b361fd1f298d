import { setTimeout as delay } from 'node:timers/promises';
import type { DnsTop } from '../dns/observe/look.ts';
import type { OnNode } from '../lab/control/protocol.ts';
import { PodnetError } from '../model/errors.ts';
import { withCluster } from './cluster.ts';
import { printData } from './data.ts';
import type { DnsTopOptions } from './dns-commands.ts';
import { out, printResult, table } from './terminal.ts';

export interface TopRow {
  readonly key: string;
  readonly count: number;
  readonly aSecond: number;
}

export interface DnsTopReport {
  readonly nodes: readonly string[];
  readonly seconds: number;
  readonly questions: number;
  readonly aSecond: number;
  readonly names: readonly TopRow[];
  readonly clients: readonly TopRow[];
  readonly types: readonly TopRow[];
  readonly rcodes: readonly TopRow[];
  readonly from: readonly TopRow[];
}

const EVERY_MS = 1000;
/** What a pipe waits for unless told. */
const PLAIN_SECONDS = 5;

/** `podnet dns top`. */
export async function dnsTop({ name, node, limit, output, for: seconds }: DnsTopOptions): Promise<void> {
  await withCluster(name, async ({ control }) => {
    const look = async (): Promise<DnsTopReport> => {
      const all = await control.call('dnsTop', { limit: 1000 });
      return summarize(onlyOf(all, node), limit);
    };
    const isLive = process.stdout.isTTY && output === undefined;
    const until = performance.now() + (seconds ?? (isLive ? Infinity : PLAIN_SECONDS)) * 1000;
    await look();
    if (!isLive) {
      // The nodes count as long as somebody looks.
      while (performance.now() < until) {
        await delay(Math.min(EVERY_MS, Math.max(1, until - performance.now())));
        await look();
      }
      const report = await look();
      if (!printData(report, output)) printResult(printTop(report));
      return;
    }
    while (performance.now() < until) {
      await delay(EVERY_MS);
      process.stdout.write(`\u001B[H\u001B[J${printTop(await look())}\n`);
    }
  });
}

/** @throws PodnetError when there is no such node */
export function onlyOf<T extends { readonly node: string }>(
  all: readonly T[],
  node: string | undefined,
): readonly T[] {
  if (node === undefined) return all;
  const found = all.filter((each) => each.node === node);
  if (found.length > 0) return found;
  throw new PodnetError(`There is no node ${node} with a DNS that runs`, {
    code: 'unknown-node',
    fix: `The nodes are: ${all.map((each) => each.node).join(', ') || 'none'}.`,
  });
}

/** The nodes' counts together. */
export function summarize(all: readonly OnNode<DnsTop>[], limit: number): DnsTopReport {
  const seconds = Math.max(0, ...all.map((each) => each.seconds));
  const rows = (of: 'names' | 'clients' | 'types' | 'rcodes' | 'from'): TopRow[] => {
    const counts = new Map<string, number>();
    for (const { [of]: hitters } of all)
      for (const { key, count } of hitters) counts.set(key, (counts.get(key) ?? 0) + count);
    return [...counts]
      .map(([key, count]) => ({ key, count, aSecond: seconds > 0 ? count / seconds : 0 }))
      .toSorted((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1))
      .slice(0, limit);
  };
  const questions = all.reduce((sum, each) => sum + each.questions, 0);
  return {
    nodes: all.map(({ node }) => node),
    seconds,
    questions,
    aSecond: seconds > 0 ? questions / seconds : 0,
    names: rows('names'),
    clients: rows('clients'),
    types: rows('types'),
    rcodes: rows('rcodes'),
    from: rows('from'),
  };
}

export function printTop({ nodes, seconds, questions, aSecond, ...lists }: DnsTopReport): string {
  const head = `${out.bold(`${questions} questions`)} in ${seconds.toFixed(0)} s, ${aSecond.toFixed(1)} a second, at ${nodes.join(', ') || 'no node'}`;
  const section = (title: string, rows: readonly TopRow[]): string =>
    `\n${table([
      [title, 'QUESTIONS', 'A SECOND'],
      ...(rows.length > 0
        ? rows.map(({ key, count, aSecond: rate }) => [key, String(count), rate.toFixed(1)])
        : [['-', '0', '0.0']]),
    ])}`;
  return [
    head,
    section('NAME', lists.names),
    section('CLIENT', lists.clients),
    section('TYPE', lists.types),
    section('ANSWER', lists.rcodes),
    section('ANSWERED FROM', lists.from),
  ].join('\n');
}
