import { setTimeout as delay } from 'node:timers/promises';
import type { QueryEntry } from '../dns/observe/look.ts';
import type { OnNode } from '../lab/control/protocol.ts';
import { withCluster } from './cluster.ts';
import type { DnsLogOptions } from './dns-commands.ts';
import { onlyOf } from './dns-top.ts';
import { out, printResult } from './terminal.ts';
import { stringify } from 'yaml';

const EVERY_MS = 250;

/** `podnet dns log`: from now on, until told to end or for some seconds. */
export async function dnsLog({
  name,
  follow = false,
  pod,
  node,
  output,
  for: seconds,
}: DnsLogOptions): Promise<void> {
  const wanted = pod === undefined || pod.includes('/') ? pod : `default/${pod}`;
  await withCluster(name, async ({ control }) => {
    let from: Record<string, number> = {};
    const read = async (): Promise<OnNode<QueryEntry>[]> => {
      const pages = await control.call('dnsLog', { from });
      from = Object.fromEntries(pages.map((page) => [page.node, page.next]));
      return onlyOf(pages, node)
        .flatMap((page) => page.entries.map((entry) => ({ ...entry, node: page.node })))
        .filter((entry) => wanted === undefined || entry.pod === wanted)
        .toSorted((a, b) => a.at - b.at || a.number - b.number);
    };
    await read();
    const until = performance.now() + (follow ? Infinity : seconds * 1000);
    while (performance.now() < until) {
      await delay(Math.min(EVERY_MS, Math.max(1, until - performance.now())));
      for (const entry of await read()) print(entry, output);
    }
  });
}

function print(entry: OnNode<QueryEntry>, output: DnsLogOptions['output']): void {
  if (output === 'json') printResult(JSON.stringify(entry));
  else if (output === 'yaml') printResult(`---\n${stringify(entry).trimEnd()}`);
  else printResult(printEntry(entry));
}

export function printEntry(entry: OnNode<QueryEntry>): string {
  const {
    at,
    node,
    pod,
    client,
    transport,
    name,
    type,
    rcode = 'no answer',
    answers,
    milliseconds,
    from,
  } = entry;
  const verdict = rcode === 'NOERROR' && answers === 0 ? 'NODATA' : rcode;
  const told = rcode === 'NOERROR' ? out.green(verdict) : out.yellow(verdict);
  const time = new Date(at).toISOString().slice(11, 23);
  return `${out.dim(time)} ${node} ${out.bold(pod ?? client)} ${name}. ${type} ${told} ${answers} ${out.dim(`${milliseconds.toFixed(2)} ms ${transport} ${from}`)}`;
}
