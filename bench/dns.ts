import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

import { compileCorefile } from '../src/dns/corefile/compile.ts';
import { defaultCorefile } from '../src/dns/corefile/default.ts';
import { createBlock } from '../src/dns/serving/block.ts';
import type { Client } from '../src/dns/serving/request.ts';
import { createServer } from '../src/dns/serving/server.ts';
import { RCODE, TYPE } from '../src/dns/wire/constants.ts';
import { encodeMessage } from '../src/dns/wire/message.ts';
import { compileService } from '../src/dns/zone/compile.ts';
import { createZone, type Zone } from '../src/dns/zone/zone.ts';
import { openDatagramSocket, socketAddress } from '../src/kernel/datagram-socket.ts';
import { openRtnl } from '../src/kernel/rtnl/rtnl.ts';
import type { EndpointSlice, Service } from '../src/model/objects.ts';
import type { BenchRow } from './row.ts';

const SERVICES = 10_000;
const ENDPOINTS = 5;
const WINDOW = 256;
const options = { clusterDomain: 'cluster.local', addresses: ['10.96.0.10'] };

interface Load {
  readonly port: number;
  readonly names: readonly string[];
}

interface Measured {
  readonly aSecond: number;
  /** Processor time of the answering thread. */
  readonly microseconds: number;
}

/** Answers a second of the cluster DNS on one thread, beside what that thread can echo without looking. */
export async function rows(): Promise<BenchRow[]> {
  const rtnl = openRtnl();
  rtnl.setLink('lo', { up: true });
  rtnl.close();

  const zone = createZone(options, 1);
  const load = measureLoad(zone);
  const known = Array.from({ length: 1000 }, (_, index) => serviceName(index * 7));
  const unknown = known.map((name) => `${name}.default.svc.cluster.local`);

  const dgram = await measureDgram(known);
  const echo = await measureBatched(known, (message, length, out) => message.copy(out, 0, 0, length));
  const { clusterDomain } = options;
  const { servers } = compileCorefile(defaultCorefile({ clusterDomain, podRecords: 'insecure' }), {
    nodeResolvers: [],
    files: new Map(),
  });
  const parts = { zoneFor: () => zone, clusterDomain, namespaceOf: () => undefined, nodeSearches: [] };
  const server = createServer({ blocks: servers.map((plan) => createBlock(plan, parts)) });
  const client = (): Client => ({ address: '127.0.0.1', port: 40_000 });
  const answer = (message: Buffer, length: number, out: Buffer): number =>
    Number(
      server.respond({ message, length, transport: 'udp', family: 4, client }, { out, transport: 'udp' }),
    );
  const found = await measureBatched(known, answer);
  const missing = await measureBatched(unknown, answer);

  const rate = (figure: string, { aSecond, microseconds }: Measured): BenchRow => ({
    figure: `${figure} (${Math.round(aSecond)}/s asked by one client)`,
    value: Math.round(1e6 / microseconds),
    unit: 'answers/s and core',
    comparedWith: `bare echo: node:dgram ${Math.round(1e6 / dgram.microseconds)}, recvmmsg ${Math.round(1e6 / echo.microseconds)}`,
    ratio: dgram.microseconds / microseconds,
    target: '≥ 60,000',
    ok: 1e6 / microseconds >= 60_000,
  });
  return [
    rate(`DNS, A of ${SERVICES} Services`, found),
    rate('DNS, NXDOMAIN', missing),
    {
      figure: `DNS zone, load of ${SERVICES} Services × ${ENDPOINTS} endpoints, processor time`,
      value: load.loadMs,
      unit: 'ms',
      comparedWith: `${zone.size} names, ${load.megabytes.toFixed(0)} MB`,
      target: '≤ 1500 ms',
      ok: load.loadMs <= 1500,
    },
    {
      figure: 'DNS zone, one endpoint changed',
      value: load.changeMs,
      unit: 'ms',
      comparedWith: '',
      target: '≤ 1 ms',
      ok: load.changeMs <= 1,
    },
  ];
}

function serviceName(index: number): string {
  return `service-${index}.default.svc.cluster.local`;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
}

function measureLoad(zone: Zone): { loadMs: number; changeMs: number; megabytes: number } {
  const objects = Array.from({ length: SERVICES }, (_, index) => objectsOf(index, 0));
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const started = process.threadCpuUsage();
  for (const [index, { service, slice }] of objects.entries()) {
    zone.set(`Service default/service-${index}`, compileService(service, [slice], options));
  }
  const { user, system } = process.threadCpuUsage(started);
  const loadMs = (user + system) / 1000;
  collectGarbage();
  const megabytes = (process.memoryUsage().heapUsed - before) / 1e6;
  const changes: number[] = [];
  for (let index = 0; index < 500; index++) {
    const { service, slice } = objectsOf(index, 1);
    const changed = performance.now();
    zone.set(`Service default/service-${index}`, compileService(service, [slice], options));
    changes.push(performance.now() - changed);
  }
  return { loadMs, changeMs: changes.sort((a, b) => a - b)[250] ?? 0, megabytes };
}

function objectsOf(index: number, generation: number): { service: Service; slice: EndpointSlice } {
  const address = (host: number): string => `10.${host >> 16}.${(host >> 8) & 0xff}.${host & 0xff}`;
  const name = `service-${index}`;
  return {
    service: {
      metadata: { namespace: 'default', name },
      spec: { clusterIP: address(0x60_0000 + index), ports: [{ name: 'http', port: 80 }] },
    },
    slice: {
      metadata: { namespace: 'default', name: `${name}-1` },
      addressType: 'IPv4',
      endpoints: Array.from({ length: ENDPOINTS }, (_, endpoint) => ({
        addresses: [address(0xf4_0000 + index * ENDPOINTS + endpoint + generation)],
      })),
    },
  };
}

async function measureBatched(
  names: readonly string[],
  answer: (message: Buffer, length: number, out: Buffer) => number,
): Promise<Measured> {
  let answers = 0;
  const socket = openDatagramSocket({
    address: '127.0.0.1',
    port: 0,
    answer(message, length, out) {
      answers++;
      return answer(message, length, out);
    },
    onError(error) {
      throw error;
    },
  });
  try {
    return await measure({ port: socket.port, names }, () => answers);
  } finally {
    socket.close();
  }
}

async function measureDgram(names: readonly string[]): Promise<Measured> {
  let answers = 0;
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: 4 << 20,
    lookup: (hostname, _options, callback) => callback(null, hostname, 4),
  });
  socket.on('message', (message, { port, address }) => {
    answers++;
    socket.send(message, port, address);
  });
  // With a look-up that answers at once, so does bind.
  const listening = once(socket, 'listening');
  socket.bind(0, '127.0.0.1');
  await listening;
  try {
    return await measure({ port: socket.address().port, names }, () => answers);
  } finally {
    socket.close();
  }
}

/** Counts for a second while another thread asks as fast as it is answered. */
async function measure(load: Load, answers: () => number): Promise<Measured> {
  const client = new Worker(import.meta.filename, { workerData: load });
  await once(client, 'message');
  await new Promise((resolve) => setTimeout(resolve, 300));
  const count = answers();
  const cpu = process.threadCpuUsage();
  const started = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const elapsedMs = performance.now() - started;
  const { user, system } = process.threadCpuUsage(cpu);
  const done = answers() - count;
  // Not terminated: a thread must close its sockets before it ends, or koffi's poll calls into a dead thread.
  client.postMessage('stop');
  await once(client, 'exit');
  return { aSecond: (done / elapsedMs) * 1000, microseconds: (user + system) / done };
}

/** The asking thread: keeps WINDOW questions open; each answer is met with the next question. */
async function ask({ port, names }: Load): Promise<void> {
  const { parentPort } = await import('node:worker_threads');
  const queries = names.map((name) =>
    encodeMessage({
      id: 1,
      flags: 0x100,
      questions: [{ name, type: TYPE.A }],
      answers: [],
      authority: [],
      additional: [],
    }),
  );
  let next = 0;
  let answered = 0;
  const socket = openDatagramSocket({
    address: '127.0.0.1',
    port: 0,
    answer(message, _length, out) {
      const rcode = message.readUInt16BE(2) & 0xf;
      if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN)
        throw new Error(`answered with rcode ${rcode}`);
      answered++;
      return queries[next++ % queries.length]?.copy(out) ?? 0;
    },
    onError(error) {
      throw error;
    },
  });
  const server = socketAddress('127.0.0.1', port);
  const fill = (): void => {
    for (let index = 0; index < WINDOW; index++)
      socket.send(queries[next++ % queries.length] ?? Buffer.of(), server);
  };
  fill();
  parentPort?.postMessage('asking');
  let before = 0;
  // Datagrams may be lost when a buffer is full: start again when nothing moves.
  const watchdog = setInterval(() => {
    if (answered === before) fill();
    before = answered;
  }, 100);
  parentPort?.once('message', () => {
    clearInterval(watchdog);
    socket.close();
  });
}

if (!isMainThread) await ask(workerData as Load);
