import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { SERVER } from './objects.ts';

export interface Load {
  /** File of questions, `NAME TYPE` a line. */
  readonly questions: string;
  readonly seconds: number;
  /** Questions a second at most; as many as are answered unless told. */
  readonly rate?: number;
  /** Tells every question's latency; costs the client. */
  readonly latencies?: boolean;
}

export interface Loaded {
  readonly aSecond: number;
  readonly completed: number;
  readonly lost: number;
  /** Of the server, by its processor time. */
  readonly aSecondAndCore: number;
  /** Of the time, how much the server was ready to run while its processor did something else. */
  readonly waitedShare: number;
  /** Shares of answers by rcode: `NOERROR`. */
  readonly rcodes: ReadonlyMap<string, number>;
  /** Sorted; empty unless asked for. */
  readonly latenciesMs: readonly number[];
}

/** Processor time of a process, all threads, in seconds (proc(5), `schedstat`). */
export function processorSeconds(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e9)
    .reduce((sum, each) => sum + each, 0);
}

/** How long its first thread was ready to run but did not, in seconds. */
function waitedSeconds(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e9;
}

/** Asks the server at its address by dnsperf, on a processor of its own. */
export async function ask(
  serverPid: number,
  { questions, seconds, rate, latencies = false }: Load,
): Promise<Loaded> {
  const args = [
    '-c',
    '1',
    'dnsperf',
    '-s',
    SERVER,
    '-d',
    questions,
    '-l',
    String(seconds),
    '-c',
    '8',
    '-q',
    '200',
    '-t',
    '5',
    ...(rate === undefined ? [] : ['-Q', String(rate)]),
    ...(latencies ? ['-v'] : []),
  ];
  const before = processorSeconds(serverPid);
  const waitedBefore = waitedSeconds(serverPid);
  const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number];
  const used = processorSeconds(serverPid) - before;
  const text = Buffer.concat(chunks).toString('latin1');
  if (code !== 0) throw new Error(`dnsperf left with ${code}: ${text.slice(-500)}`);
  const figure = (name: string): number =>
    Number(new RegExp(`${name}: +([0-9.]+)`, 'u').exec(text)?.[1] ?? Number.NaN);
  const completed = figure('Queries completed');
  return {
    aSecond: figure('Queries per second'),
    completed,
    lost: figure('Queries lost'),
    aSecondAndCore: completed / used,
    waitedShare: (waitedSeconds(serverPid) - waitedBefore) / seconds,
    rcodes: new Map(
      [...text.matchAll(/(\w+) (\d+) \([0-9.]+%\)/gu)].map(([, name = '', count]) => [
        name,
        Number(count) / completed,
      ]),
    ),
    latenciesMs: latencies
      ? [...text.matchAll(/^> \w+ \S+ \w+ ([0-9.]+)$/gmu)]
          .map(([, s]) => Number(s) * 1000)
          .toSorted((a, b) => a - b)
      : [],
  };
}
