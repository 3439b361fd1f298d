/** Runs every case against one backend with real packets and holds the outcomes against `evaluate`. */
import { serviceKeyOf } from '../../../src/model/endpoint-slices.ts';
import { objectKey } from '../../../src/model/objects.ts';
import type { ServiceBackend } from '../../../src/services/backends/backend.ts';
import { createServiceCompiler } from '../../../src/services/compile.ts';
import {
  type EvaluatedNode,
  type ServiceObjects,
  type Verdict,
  evaluate,
} from '../../../src/services/evaluate.ts';
import { type Aim, type ServiceCase, cases, objectsOf } from './cases.ts';
import type { Outcome } from './client.ts';
import type { ClientName, ConformanceNetwork, PlaceName } from './network.ts';

export interface Probe {
  readonly of: ServiceCase;
  readonly aim: Aim;
  readonly client: ClientName;
  readonly family: 4 | 6;
  readonly protocol: 'tcp' | 'udp';
}

export interface Row {
  readonly probe: Probe;
  readonly expected: Verdict;
  /** What went otherwise; undefined when all is as expected. */
  readonly failure?: string;
  /** Why it was not tried. */
  readonly skipped?: string;
}

export interface SuiteOptions {
  /** The suite's own unless told. */
  readonly cases?: readonly ServiceCase[];
  /** A drop is believed after so long. */
  readonly dropMs?: number;
  /** Why a backend cannot do what a probe asks. */
  readonly skip?: (probe: Probe) => string | undefined;
  /** How long to wait for an answer that is to come; 10 seconds unless told. */
  readonly answerMs?: number;
}

const CLIENTS: readonly ClientName[] = [
  'same pod',
  'same node',
  'node itself',
  'other node',
  "other node's pod",
  'outside',
];
/** Enough that an endpoint of three goes unseen once in 10,000,000 probes. */
const MAX_TRIES = 42;
const STICKY_TRIES = 6;
const ANSWER_MS = 10_000;

export async function runSuite(
  network: ConformanceNetwork,
  backend: ServiceBackend,
  { cases: list = cases, dropMs = 300, answerMs = ANSWER_MS, skip = () => undefined }: SuiteOptions = {},
): Promise<readonly Row[]> {
  const { objects, aims } = objectsOf(list, network.places);
  load(backend, objects, network.node);
  const tasks = list.flatMap((of) =>
    (aims.get(of) ?? []).flatMap((aim) =>
      ([4, 6] as const).flatMap((family) =>
        (['tcp', 'udp'] as const).flatMap((protocol) =>
          CLIENTS.map((client): Probe => ({ of, aim, client, family, protocol })),
        ),
      ),
    ),
  );
  const rows: Row[] = [];
  // Few at a time: what is slow here is waiting for drops.
  const queue = tasks.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const probe of queue)
        rows.push(await tryProbe(network, objects, { probe, dropMs, answerMs, skip }));
    }),
  );
  return rows;
}

/** A few Services at a time, for in a user namespace a batch of netlink messages may not be long. */
const SERVICES_AT_ONCE = 4;

function load(backend: ServiceBackend, { services, slices }: ServiceObjects, node: EvaluatedNode): void {
  const compiler = createServiceCompiler({ node });
  backend.sync(compiler.plan);
  for (let index = 0; index < services.length; index += SERVICES_AT_ONCE) {
    for (const service of services.slice(index, index + SERVICES_AT_ONCE)) {
      compiler.setService(service);
      const key = objectKey(service);
      for (const slice of slices) if (serviceKeyOf(slice) === key) compiler.setSlice(slice);
    }
    backend.apply(compiler.takeChange());
  }
}

async function tryProbe(
  network: ConformanceNetwork,
  objects: ServiceObjects,
  { probe, dropMs, answerMs, skip }: { probe: Probe } & Required<Omit<SuiteOptions, 'cases'>>,
): Promise<Row> {
  const { aim, client, family, protocol } = probe;
  const source = network.clients[client][family];
  const address = aim.address[family];
  const expected = evaluate(objects, network.node, {
    source,
    destination: address,
    port: aim.port,
    protocol,
  });
  const skipped = skip(probe);
  if (skipped !== undefined) return { probe, expected, skipped };
  const timeoutMs = expected.kind === 'drop' ? dropMs : answerMs;
  const connect = (): Promise<Outcome> =>
    network.connect(client, { address, port: aim.port, protocol, timeoutMs });
  const failure =
    expected.kind === 'endpoint'
      ? await compareAnswers(network, { probe, expected }, connect)
      : compareError(expected, await connect());
  return failure === undefined ? { probe, expected } : { probe, expected, failure };
}

function compareError({ kind }: Verdict, outcome: Outcome): string | undefined {
  const error = { reject: 'ECONNREFUSED', drop: 'timeout' }[kind as 'reject' | 'drop'];
  if (outcome.error === error) return undefined;
  return `expected ${kind}, got ${outcome.error ?? `the answer "${outcome.answer}"`}`;
}

/** Every answer must be one that is allowed; every allowed endpoint must answer, or with affinity one alone. */
async function compareAnswers(
  { places, node, clients }: ConformanceNetwork,
  { probe: { client, family }, expected }: { probe: Probe; expected: Extract<Verdict, { kind: 'endpoint' }> },
  connect: () => Promise<Outcome>,
): Promise<string | undefined> {
  const allowed = new Map(expected.endpoints.map((each) => [each.address, each]));
  const seen = new Set<string>();
  const tries = expected.isSticky ? STICKY_TRIES : MAX_TRIES;
  for (let index = 0; index < tries; index++) {
    const { answer, error } = await connect();
    if (answer === undefined) return `expected an answer, got ${error}`;
    const [name = '', from = ''] = answer.split(' ');
    const address = places[name as PlaceName].address[family];
    const endpoint = allowed.get(address);
    if (endpoint === undefined)
      return `expected one of ${[...allowed.keys()].join(', ')}, got ${address} (${name})`;
    const isSeen =
      endpoint.sees === 'client' ? from === clients[client][family] : node.addresses.includes(from);
    if (!isSeen) return `expected ${name} to see the ${endpoint.sees}, it saw ${from}`;
    seen.add(address);
    if (expected.isSticky && seen.size > 1) return 'expected one endpoint for this client, got two';
    if (!expected.isSticky && seen.size === allowed.size) return undefined;
  }
  if (expected.isSticky) return undefined;
  return `expected ${allowed.size} endpoints, saw ${seen.size} in ${tries} connections`;
}

/** A table: cases and fronts by clients; `4` of 4 (TCP and UDP, IPv4 and IPv6) as expected. */
export function printTable(name: string, rows: readonly Row[]): string {
  const groups = Map.groupBy(rows, ({ probe }) => `${probe.of.name} · ${probe.aim.front}`);
  const width = Math.max(...[...groups.keys()].map((key) => key.length));
  const cells = (list: readonly Row[]): string[] =>
    CLIENTS.map((client) => {
      const of = list.filter(({ probe }) => probe.client === client);
      const good = of.filter(({ failure, skipped }) => failure === undefined && skipped === undefined).length;
      const skipped = of.filter((row) => row.skipped !== undefined).length;
      const kinds = [...new Set(of.map(({ expected }) => letter(expected)))].join('|');
      const mark = good + skipped === of.length ? '' : '!';
      return `${mark}${kinds} ${good}/${of.length}${skipped > 0 ? ` -${skipped}` : ''}`;
    });
  const widths = CLIENTS.map((client) => Math.max(client.length, 14));
  const line = (first: string, rest: readonly string[]): string =>
    [first.padEnd(width), ...rest.map((cell, index) => cell.padEnd(widths[index] ?? 0))].join('  ').trimEnd();
  const order = [...groups].toSorted(
    ([, a], [, b]) =>
      cases.indexOf(a[0]?.probe.of as ServiceCase) - cases.indexOf(b[0]?.probe.of as ServiceCase),
  );
  const failed = rows.filter(({ failure }) => failure !== undefined);
  const skipped = rows.filter((row) => row.skipped !== undefined);
  return [
    `${name}: ${rows.length - failed.length - skipped.length} as expected, ${failed.length} not, ${skipped.length} skipped`,
    line('', CLIENTS),
    ...order.map(([key, list]) => line(key, cells(list))),
    ...[...Map.groupBy(skipped, (row) => row.skipped)].map(
      ([reason, list]) => `skipped ${list.length}: ${reason}`,
    ),
    ...failed.map(({ probe: { of, aim, client, family, protocol }, failure }) => {
      return `${of.name} · ${aim.front} · ${client} · ${protocol} · IPv${family}: ${failure}`;
    }),
    '',
  ].join('\n');
}

function letter(verdict: Verdict): string {
  if (verdict.kind !== 'endpoint') return verdict.kind;
  const seen = new Set(verdict.endpoints.map(({ sees }) => sees));
  return `${verdict.endpoints.length} as ${[...seen].join('/')}`;
}
