import type { RecordData } from '../wire/message.ts';

/** The object and field a record comes from. */
export interface RecordSource {
  /** `Service`, `EndpointSlice`, `Pod`, or `Node` for what the DNS server itself states. */
  readonly kind: string;
  /** Empty for what has no namespace. */
  readonly namespace: string;
  readonly name: string;
  /** As in `kubectl explain`, with indexes: `endpoints[0].addresses[0]`. */
  readonly field: string;
  readonly value: string;
}

export interface PlannedRecord {
  /** Fully qualified, without the final dot. */
  readonly name: string;
  readonly ttlSeconds: number;
  readonly data: RecordData;
  readonly source: RecordSource;
}

/** A value of an object that cannot become a record, and why. */
export interface ZoneProblem {
  readonly source: RecordSource;
  readonly message: string;
}

/** What one object contributes to the zone. */
export interface ZonePart {
  readonly records: readonly PlannedRecord[];
  readonly problems: readonly ZoneProblem[];
}

export interface ZoneOptions {
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** Where the cluster DNS listens: the address of the zone's name server. */
  readonly addresses: readonly string[];
  /** 5 unless told. */
  readonly ttlSeconds?: number;
  /** Whether names of single endpoints are served; headless Services have none without. True unless told. */
  readonly endpoints?: boolean;
  /** Endpoints without a hostname have their pod's name. */
  readonly endpointPodNames?: boolean;
  /** A Service without ready endpoints does not exist. */
  readonly ignoreEmptyServices?: boolean;
}

/** The record's data in a zone file's form: `0 100 80 web.default.svc.cluster.local.` */
export function printData(data: RecordData): string {
  switch (data.type) {
    case 'A':
    case 'AAAA':
      return data.address;
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return `${data.target}.`;
    case 'SRV':
      return `${data.priority} ${data.weight} ${data.port} ${data.target}.`;
    case 'TXT':
      return data.strings.map((text) => JSON.stringify(text)).join(' ');
    case 'SOA':
      return [
        `${data.primary}.`,
        `${data.mailbox}.`,
        data.serial,
        data.refreshSeconds,
        data.retrySeconds,
        data.expireSeconds,
        data.minimumSeconds,
      ].join(' ');
    case 'other':
      break;
  }
  return `\\# ${data.bytes.length} ${data.bytes.toString('hex')}`;
}

export function printSource({ kind, namespace, name, field }: RecordSource): string {
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`} ${field}`;
}

/** The records as a zone file's lines in order of their names, each with its source as a comment. */
export function printRecords(records: readonly PlannedRecord[]): string {
  const rows = records
    .map(({ name, ttlSeconds, data, source }) => ({
      columns: [`${name}.`, String(ttlSeconds), data.type, printData(data)],
      comment: `; ${printSource(source)}`,
    }))
    .toSorted((a, b) => compare(a.columns.join(' '), b.columns.join(' ')));
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(0, ...rows.map((row) => (row.columns[column] ?? '').length)),
  );
  return rows
    .map(
      ({ columns, comment }) =>
        `${columns.map((text, column) => text.padEnd(widths[column] ?? 0)).join('  ')}  ${comment}\n`,
    )
    .join('');
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Why the record says what it says, in one sentence. */
export function explainRecord({ name, data, source }: PlannedRecord): string {
  const object = source.namespace === '' ? source.name : `${source.namespace}/${source.name}`;
  return (
    `${name} has the ${data.type} record ${printData(data)} ` +
    `because ${source.field} of ${source.kind} ${object} is ${source.value}`
  );
}
