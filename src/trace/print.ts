import { hostPort } from '../services/plan.ts';
import type { ComparedHop, Comparison } from './compare.ts';
import { fill, wrapWords } from './print-lines.ts';
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
  /** How wide the terminal is, in characters; lines are as long as they are unless told. */
  readonly columns?: number | undefined;
}

/** What is said of one hop. */
interface Row {
  readonly number: string;
  readonly where: string;
  readonly interfaces: string;
  readonly packet: string;
  readonly summary: string;
  readonly decision: string;
}

/** As cells of the table, in order. */
const TITLES: Row = {
  number: '',
  where: 'where',
  interfaces: 'in → out',
  packet: 'packet',
  summary: 'what happens',
  decision: 'decided by',
};
const COLUMNS = ['number', 'where', 'interfaces', 'packet', 'summary', 'decision'] as const;

type Widths = Readonly<Record<keyof Row, number>>;

const GAP = '  ';

/**
 * The trace as text, the result below: a table with a line a hop, or, when the terminal is too narrow for it, two
 * short lines a hop.
 */
export function printTrace(trace: Trace, options: PrintOptions = {}): string {
  const { style = PLAIN, explain = false, comparison, columns = Infinity } = options;
  const rows = trace.hops.map(rowOf);
  const widths = widthsOf([TITLES, ...rows]);
  const tableWidth = COLUMNS.reduce((sum, column) => sum + widths[column], GAP.length * (COLUMNS.length - 1));
  const isTable = tableWidth <= columns;
  const indent = ' '.repeat(widths.number + GAP.length);
  const lines = isTable ? [style.faint(printCells(TITLES, widths).join(GAP).trimEnd())] : [];
  for (const [index, hop] of trace.hops.entries()) {
    const row = rows[index] ?? TITLES;
    const mark = markOf(hop, style);
    lines.push(
      ...(isTable
        ? tableLines(row, widths, { style, mark })
        : stackedLines(row, widths, { style, mark, columns })),
    );
    const reasons = explain ? [hop.explain, ...(hop.details ?? [])] : [];
    const texts = reasons.flatMap((text) => wrapWords(text, columns - indent.length));
    lines.push(...texts.map((text) => style.faint(`${indent}${text}`)));
    const compared = comparison?.hops[index];
    if (compared !== undefined)
      lines.push(...printCompared(compared, style).map((text) => `${indent}${text}`));
  }
  const observed = comparison === undefined ? [] : printComparison(trace, comparison, style);
  return `${[...lines, '', printOutcome(trace, style), ...observed].join('\n')}\n`;
}

function rowOf(hop: Hop, index: number): Row {
  return {
    number: String(index + 1),
    where: printPlace(hop.place),
    interfaces: printInterfaces(hop),
    packet: printPacket(hop),
    summary: hop.summary,
    decision: hop.decidedBy === undefined ? '' : printDecision(hop.decidedBy),
  };
}

function widthsOf(rows: readonly Row[]): Widths {
  const width = (column: keyof Row): number => Math.max(...rows.map((row) => row[column].length));
  return {
    number: width('number'),
    where: width('where'),
    interfaces: width('interfaces'),
    packet: width('packet'),
    summary: width('summary'),
    decision: width('decision'),
  };
}

function printCells(row: Row, widths: Widths): string[] {
  return COLUMNS.map((column) => row[column].padEnd(widths[column]));
}

type Mark = (text: string) => string;

/** What changes or ends the packet stands out. */
function markOf({ action }: Hop, style: TraceStyle): Mark {
  if (action === 'reject') return (text) => style.bad(text);
  return action === 'dnat' || action === 'masquerade' ? (text) => style.strong(text) : same;
}

function tableLines(row: Row, widths: Widths, { style, mark }: { style: TraceStyle; mark: Mark }): string[] {
  const [number = '', where = '', interfaces = '', packet = '', summary = '', decision = ''] = printCells(
    row,
    widths,
  );
  const cells = [style.faint(number), style.strong(where), interfaces, packet, mark(summary)];
  return [[...cells, style.faint(decision.trimEnd())].join(GAP).trimEnd()];
}

/** Where and what, then the particulars: more than two lines only where a terminal is very narrow. */
function stackedLines(
  row: Row,
  widths: Widths,
  { style, mark, columns }: { style: TraceStyle; mark: Mark; columns: number },
): string[] {
  const indent = ' '.repeat(widths.number + GAP.length);
  const isAligned = indent.length + widths.where + GAP.length + row.summary.length <= columns;
  const where = `${isAligned ? row.where.padEnd(widths.where) : row.where}${GAP}`;
  const head = `${style.faint(row.number.padEnd(widths.number))}${GAP}${style.strong(where)}`;
  const summary = wrapWords(row.summary, columns - indent.length - where.length);
  const particulars = [row.interfaces, row.packet, row.decision].filter((cell) => cell !== '');
  return [
    ...summary.map(
      (text, index) => `${index === 0 ? head : `${indent}${' '.repeat(where.length)}`}${mark(text)}`,
    ),
    ...fill(particulars, { width: columns - indent.length, gap: GAP }).map(
      (cells) => indent + cells.map((cell) => (cell === row.decision ? style.faint(cell) : cell)).join(GAP),
    ),
  ];
}

function printCompared({ observed, differences }: ComparedHop, style: TraceStyle): string[] {
  if (differences.length > 0) return differences.map((text) => style.bad(`✗ observed: ${text}`));
  return observed === undefined ? [] : [style.good('✓ observed')];
}

function printComparison(trace: Trace, comparison: Comparison, style: TraceStyle): string[] {
  const { unexpected, differences, agrees, reply } = comparison;
  const heard = REPLIES[reply](trace);
  const isGood = reply === 'connected' || reply === 'answered';
  if (agrees) {
    const fate = trace.outcome === 'delivered' ? `the packet arrived, and ${heard}` : heard;
    return [isGood ? fate : style.strong(fate), style.good('the kernel did the same')];
  }
  return [
    heard,
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

/** What the sender heard, in words. */
const REPLIES: Readonly<Record<Comparison['reply'], (trace: Trace) => string>> = {
  connected: (trace) => `port ${portOf(trace)} accepted the connection`,
  answered: (trace) => `port ${portOf(trace)} answered`,
  refused(trace) {
    const answer = trace.protocol === 'tcp' ? 'connection refused' : 'port unreachable';
    if (trace.outcome !== 'delivered') return `the sender was told: ${answer}`;
    return `nobody listens on port ${portOf(trace)}: ${answer}`;
  },
  unreachable: () => 'the sender was told: destination unreachable',
  silence: () => 'the sender heard nothing',
};

/** Where the packet is sent in the end, behind every Service's choice. */
function portOf({ hops, aim }: Trace): number {
  return hops.at(-1)?.packet.destinationPort ?? aim.port;
}

/** `delivered to default/web-1: no NAT of the source, MTU 1500` */
export function printOutcome(trace: Trace, style: TraceStyle = PLAIN): string {
  const last = trace.hops.at(-1);
  const where = last === undefined ? '' : printPlace(last.place);
  const mtus = trace.hops.flatMap(({ mtuBytes }) => (mtuBytes === undefined ? [] : [mtuBytes]));
  const mtu = mtus.length > 0 ? `, MTU ${Math.min(...mtus)}` : '';
  if (trace.outcome === 'rejected' || trace.outcome === 'dropped')
    return `${style.bad(trace.outcome)} by ${where}: ${last?.summary}`;
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
