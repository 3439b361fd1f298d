import { hostPort } from '../services/plan.ts';
import type { ComparedHop, Comparison } from './compare.ts';
import type { Decision, Hop, Place, Trace } from './trace.ts';

/** How to set parts of the text off; each returns the text with whatever a terminal needs around it. */
export interface TraceStyle {
  strong(text: string): string;
  faint(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

const PLAIN: TraceStyle = { strong: same, faint: same, good: same, bad: same };

export interface PrintOptions {
  readonly style?: TraceStyle;
  /** With the reason of every hop, and what else was possible there. */
  readonly explain?: boolean;
  /** With what the kernel really did beside each hop. */
  readonly comparison?: Comparison;
}

/** The trace as aligned text: a line a hop, what decides it at the end, the result below. */
export function printTrace(
  trace: Trace,
  { style = PLAIN, explain = false, comparison }: PrintOptions = {},
): string {
  const rows = trace.hops.map((hop, index) => [
    String(index + 1),
    printPlace(hop.place),
    printInterfaces(hop),
    printPacket(hop),
    hop.summary,
    hop.decidedBy === undefined ? '' : printDecision(hop.decidedBy),
  ]);
  const header = ['', 'where', 'in → out', 'packet', 'what happens', 'decided by'];
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string[] =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0));
  const lines = [style.faint(line(header).join('  ').trimEnd())];
  for (const [index, row] of rows.entries()) {
    const hop = trace.hops[index];
    const [number = '', where = '', interfaces = '', packet = '', summary = '', decision = ''] = line(row);
    const changed = hop?.action === 'dnat' || hop?.action === 'masquerade';
    const shown = hop?.action === 'reject' ? style.bad(summary) : changed ? style.strong(summary) : summary;
    lines.push(
      `${style.faint(number)}  ${style.strong(where)}  ${interfaces}  ${packet}  ${shown}  ${style.faint(decision.trimEnd())}`.trimEnd(),
    );
    const indent = ' '.repeat((widths[0] ?? 0) + 2);
    if (explain && hop !== undefined) {
      lines.push(...[hop.explain, ...(hop.details ?? [])].map((text) => style.faint(`${indent}${text}`)));
    }
    const compared = comparison?.hops[index];
    if (compared !== undefined)
      lines.push(...printCompared(compared, style).map((text) => `${indent}${text}`));
  }
  const observed = comparison === undefined ? [] : printComparison(comparison, style);
  return `${[...lines, '', printOutcome(trace, style), ...observed].join('\n')}\n`;
}

function printCompared({ observed, differences }: ComparedHop, style: TraceStyle): string[] {
  if (differences.length > 0) return differences.map((text) => style.bad(`✗ observed: ${text}`));
  return observed === undefined ? [] : [style.good('✓ observed')];
}

function printComparison({ unexpected, differences, agrees }: Comparison, style: TraceStyle): string[] {
  if (agrees) return [style.good('the kernel did the same')];
  return [
    ...unexpected.map(({ place, inputInterface = '', outputInterface = '', before }) =>
      style.bad(
        `✗ ${printPlace(place)} ${`${inputInterface} → ${outputInterface}`.trim()} saw ` +
          `${before.source} → ${hostPort(before.destination, before.destinationPort)}, which was not predicted`,
      ),
    ),
    ...differences.map((text) => style.bad(`✗ ${text}`)),
    style.bad('the kernel did otherwise'),
  ];
}

/** `delivered to default/web-1: no NAT of the source, MTU 1500` */
export function printOutcome(trace: Trace, style: TraceStyle = PLAIN): string {
  const last = trace.hops.at(-1);
  const where = last === undefined ? '' : printPlace(last.place);
  const mtus = trace.hops.flatMap(({ mtuBytes }) => (mtuBytes === undefined ? [] : [mtuBytes]));
  const mtu = mtus.length > 0 ? `, MTU ${Math.min(...mtus)}` : '';
  if (trace.outcome === 'rejected') return `${style.bad('rejected')} by ${where}: ${last?.summary}`;
  if (trace.outcome === 'leaves the cluster') {
    return `${style.good('leaves the cluster')} as ${last?.packet.source}${mtu}`;
  }
  const source = trace.sourceKept ? "the sender's address is kept" : `it comes from ${last?.packet.source}`;
  return `${style.good('delivered')} to ${where}: ${source}${mtu}`;
}

export function printPlace({ kind, namespace, name }: Place): string {
  return kind === 'pod' ? `pod ${namespace}/${name}` : kind === 'node' ? `node ${name}` : `outside ${name}`;
}

/** `Service default/web spec.ports[0]`, `Node node-2 spec.podCIDR` */
export function printDecision({ kind, namespace, name, field }: Decision): string {
  return [kind, [namespace, name].filter(Boolean).join('/'), field].filter(Boolean).join(' ');
}

function printInterfaces({ inputInterface, outputInterface }: Hop): string {
  if (inputInterface === undefined && outputInterface === undefined) return '';
  return `${inputInterface ?? ''} → ${outputInterface ?? ''}`.trim();
}

function printPacket({ packet }: Hop): string {
  const source = packet.sourcePort === undefined ? packet.source : hostPort(packet.source, packet.sourcePort);
  return `${source} → ${hostPort(packet.destination, packet.destinationPort)}`;
}

function same(text: string): string {
  return text;
}
