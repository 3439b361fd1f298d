import { hostPort } from '../services/plan.ts';
import type { Decision, Hop, Place, Trace } from './trace.ts';

/** How to set parts of the text off; each returns the text with whatever a terminal needs around it. */
export interface TraceStyle {
  strong(text: string): string;
  faint(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

const PLAIN: TraceStyle = { strong: same, faint: same, good: same, bad: same };

/** The trace as aligned text: a line a hop, what decides it at the end, the result below. */
export function printTrace(
  trace: Trace,
  { style = PLAIN, explain = false }: { style?: TraceStyle; explain?: boolean } = {},
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
    if (explain && hop !== undefined) {
      const indent = ' '.repeat((widths[0] ?? 0) + 2);
      lines.push(...[hop.explain, ...(hop.details ?? [])].map((text) => style.faint(`${indent}${text}`)));
    }
  }
  return `${[...lines, '', printOutcome(trace, style)].join('\n')}\n`;
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
