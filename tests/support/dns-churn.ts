/** Asks the DNS of `dns-churn-server.ts` while everything changes, and holds every answer against what was true. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeMessage } from '../../src/dns/wire/message.ts';
import { openDatagramSocket, socketAddress } from '../../src/kernel/datagram-socket.ts';
import { addLocalAddresses } from './dns-cluster.ts';
import {
  CHURN_SERVER,
  churnName,
  type ChurnReport,
  GENERATIONS,
  readChurnAddress,
} from './dns-churn-server.ts';

export interface ChurnOptions {
  readonly services: number;
  readonly changesASecond: number;
  readonly questionsASecond: number;
  readonly seconds: number;
  /** Node's own options for the server. */
  readonly execArgv?: readonly string[];
}

export interface Churned {
  readonly questions: number;
  readonly changes: number;
  /** Questions that no answer came to in five seconds. */
  readonly lost: number;
  /** Answers with an address that the Service never had by then, or none. */
  readonly wrong: readonly string[];
  /** For how long the oldest answer had not been true, in ms; 0 when all were. */
  readonly stalestMs: number;
  readonly aSecond: number;
}

/** Open at once at most, as dnsperf has it. */
const MOST_OPEN = 200;
/** Of an answer with one address: the question, then a record whose name points to it. */
const RECORD_BYTES = 16;
const PATIENCE_MS = 5000;

export async function churn(options: ChurnOptions): Promise<Churned> {
  addLocalAddresses([CHURN_SERVER]);
  const { services, changesASecond, seconds, questionsASecond } = options;
  const file = join(import.meta.dirname, 'dns-churn-server.ts');
  const server = fork(file, [String(services), String(changesASecond)], {
    execArgv: ['--disable-warning=ExperimentalWarning', ...(options.execArgv ?? [])],
  });
  const changedAt = Array.from({ length: services }, (): bigint[] => [0n]);
  let changes = 0;
  const ready = Promise.withResolvers<void>();
  server.on('exit', () => ready.reject(new Error('the server ended')));
  server.on('message', (report: ChurnReport) => {
    if (report.type === 'ready') ready.resolve();
    else
      for (const { index, generation, atNs } of report.changes) {
        (changedAt[index] ?? [])[generation] = BigInt(atNs);
        changes += 1;
      }
  });
  try {
    await ready.promise;
    const asked = await askAll({ services, seconds, questionsASecond });
    // The last changes may still be on their way here.
    await delay(200);
    return { changes, ...judge(asked, changedAt) };
  } finally {
    const ended = once(server, 'exit');
    if (server.connected) server.disconnect();
    else server.kill();
    await ended;
  }
}

interface Answer {
  readonly index: number;
  readonly generation: number;
  /** When the question was sent, and the answer came. */
  readonly sentNs: bigint;
  readonly atNs: bigint;
}

interface Asked {
  readonly questions: number;
  readonly lost: number;
  readonly wrong: readonly string[];
  readonly answers: readonly Answer[];
  readonly seconds: number;
}

async function askAll({
  services,
  seconds,
  questionsASecond,
}: Pick<ChurnOptions, 'services' | 'seconds' | 'questionsASecond'>): Promise<Asked> {
  const questions = Array.from({ length: services }, (_, index) =>
    encodeMessage({
      id: 0,
      flags: 0x100,
      questions: [{ name: churnName(index), type: 1 }],
      answers: [],
      authority: [],
      additional: [],
    }),
  );
  const open = new Map<number, { index: number; sentNs: bigint }>();
  const answers: Answer[] = [];
  const wrong: string[] = [];
  const socket = openDatagramSocket({
    address: '0.0.0.0',
    port: 0,
    onError: (error) => wrong.push(String(error)),
    answer(message, length) {
      const id = message.readUInt16BE(0);
      const asked = open.get(id);
      open.delete(id);
      const atNs = process.hrtime.bigint();
      if (asked === undefined) return 0;
      const rcode = message.readUInt16BE(2) & 0xf;
      const count = message.readUInt16BE(6);
      if (rcode !== 0 || count !== 1 || length !== (questions[asked.index]?.length ?? 0) + RECORD_BYTES) {
        wrong.push(`${churnName(asked.index)}: rcode ${rcode} with ${count} records in ${length} bytes`);
        return 0;
      }
      const { index, generation } = readChurnAddress(message.subarray(length - 4, length));
      if (index === asked.index) answers.push({ index, generation, sentNs: asked.sentNs, atNs });
      else wrong.push(`${churnName(asked.index)}: an address of ${churnName(index)}`);
      return 0;
    },
  });
  const server = socketAddress(CHURN_SERVER, 53);
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  let sent = 0;
  try {
    while (elapsed() < seconds) {
      const due = Math.min(elapsed() * questionsASecond, sent + MOST_OPEN - open.size);
      for (; sent < due; sent++) {
        const index = (sent * 104_729) % services;
        const question = questions[index] ?? Buffer.alloc(0);
        const id = sent & 0xffff;
        question.writeUInt16BE(id, 0);
        open.set(id, { index, sentNs: process.hrtime.bigint() });
        socket.send(question, server);
      }
      await new Promise((resolve) => setImmediate(resolve));
      if (sent >= elapsed() * questionsASecond) await delay(1);
    }
    const spent = elapsed();
    const deadline = performance.now() + PATIENCE_MS;
    while (open.size > 0 && performance.now() < deadline) await delay(5);
    return { questions: sent, lost: open.size, wrong, answers, seconds: spent };
  } finally {
    socket.close();
  }
}

function judge(
  { questions, lost, wrong: wrongBefore, answers, seconds }: Asked,
  changedAt: readonly (readonly bigint[])[],
): Omit<Churned, 'changes'> {
  const wrong = [...wrongBefore];
  let stalestNs = 0n;
  for (const { index, generation, sentNs, atNs } of answers) {
    const times = changedAt[index] ?? [];
    const since = times[generation];
    if (since === undefined || since > atNs)
      wrong.push(`${churnName(index)}: generation ${generation} came before its change`);
    const until = generation + 1 < GENERATIONS ? times[generation + 1] : undefined;
    // True as long as it was when the question was sent.
    if (until !== undefined && sentNs - until > stalestNs) stalestNs = sentNs - until;
  }
  return { questions, lost, wrong, stalestMs: Number(stalestNs) / 1e6, aSecond: answers.length / seconds };
}
