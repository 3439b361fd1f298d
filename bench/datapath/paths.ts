/**
 * A client and a server that measure a way through the network: threads in namespaces of their own, both on the first
 * processor, so that what is measured is the work of a packet and not the scheduler's mood.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import * as ffi from '../../src/kernel/ffi.ts';
import * as sockets from '../../src/kernel/ffi-sockets.ts';
import { type Netns, enterNetns } from '../../src/kernel/netns.ts';

/** What servers listen on. */
export const SERVER_PORT = 9000;
const REQUEST_BYTES = 64;

/** A way from a client to a server, measured beside the others. */
export interface Path {
  readonly name: string;
  readonly client: Netns;
  readonly address: string;
  /** `SERVER_PORT` unless told. */
  readonly port?: number;
}

/** In a second: requests answered on one connection, and connections made, used for one request and reset. */
export interface Rates {
  readonly roundTrips: number;
  readonly connections: number;
}

/** Measures every path once in each round, in turns, so that a ratio of two paths is of the same moment. */
export async function measurePaths(
  paths: readonly Path[],
  { servers, rounds, windowMs = 250 }: { servers: readonly Netns[]; rounds: number; windowMs?: number },
): Promise<ReadonlyMap<string, readonly Rates[]>> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const serving = await Promise.all(servers.map((netns) => start({ role: 'server', fd: netns.fd, stop })));
  const clients = new Map<Netns, Worker>();
  const measured = new Map<string, Rates[]>(paths.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, client, address, port = SERVER_PORT } of paths) {
      let worker = clients.get(client);
      if (worker === undefined) {
        worker = await start({ role: 'client', fd: client.fd, stop });
        clients.set(client, worker);
      }
      measured.get(name)?.push(await ask(worker, { address, port, windowMs }));
    }
  }
  Atomics.store(stop, 0, 1);
  await Promise.all([...serving, ...clients.values()].map((worker) => worker.terminate()));
  return measured;
}

/** The median of the rounds' ratios. */
export function ratioOf(own: readonly Rates[], base: readonly Rates[], kind: keyof Rates): number {
  return medianOf(own.map((rates, round) => rates[kind] / (base[round]?.[kind] ?? Number.NaN)));
}

export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

interface Question extends Endpoint {
  /** How long to repeat each kind. */
  readonly windowMs: number;
}

interface Role {
  readonly role: 'server' | 'client';
  /** Of the namespace it lives in. */
  readonly fd: number;
  readonly stop: Int32Array;
}

/** A worker in its namespace, ready to serve or to be asked. */
async function start(role: Role): Promise<Worker> {
  const worker = new Worker(new URL(import.meta.url), { workerData: role });
  await once(worker, 'message');
  return worker;
}

async function ask(worker: Worker, question: Question): Promise<Rates> {
  const answer = once(worker, 'message');
  worker.postMessage(question);
  return (await answer)[0] as Rates;
}

/** struct sockaddr_in */
function socketAddress({ address, port }: Endpoint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(sockets.AF.INET, 0);
  bytes.writeUInt16BE(port, 2);
  for (const [index, octet] of address.split('.').entries()) bytes[4 + index] = Number(octet);
  return bytes;
}

const TCP_NODELAY = 1;

function tcpSocket(): number {
  const fd = sockets.socket(sockets.AF.INET, sockets.SOCK.STREAM);
  sockets.setsockopt(fd, sockets.SOL.TCP, TCP_NODELAY, 1);
  return fd;
}

/** Answers one connection after the other until told to stop; waits at most 100 ms at a time. */
function serve(stop: Int32Array): void {
  const listener = tcpSocket();
  sockets.setsockopt(listener, sockets.SOL.SOCKET, sockets.SO.REUSEADDR, 1);
  const timeval = Buffer.alloc(16);
  timeval.writeBigInt64LE(100_000n, 8);
  sockets.setsockopt(listener, sockets.SOL.SOCKET, sockets.SO.RCVTIMEO, timeval);
  sockets.bind(listener, socketAddress({ address: '0.0.0.0', port: SERVER_PORT }));
  sockets.listen(listener, 128);
  parentPort?.postMessage('ready');
  const buffer = Buffer.alloc(REQUEST_BYTES);
  while (Atomics.load(stop, 0) === 0) {
    const connection = sockets.accept(listener);
    if (connection < 0) continue;
    sockets.setsockopt(connection, sockets.SOL.TCP, TCP_NODELAY, 1);
    sockets.setsockopt(connection, sockets.SOL.SOCKET, sockets.SO.RCVTIMEO, timeval);
    try {
      while (sockets.recv(connection, buffer) > 0) sockets.send(connection, buffer, sockets.MSG.NOSIGNAL);
    } catch (error) {
      if (!ffi.isErrno(error, 'ECONNRESET', 'EPIPE')) throw error;
    }
    ffi.closeFd(connection);
  }
  ffi.closeFd(listener);
}

/** Closing resets the connection, for thousands in TIME_WAIT would use up the ports. */
const NO_LINGER = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

function open(address: Buffer): number {
  const fd = tcpSocket();
  sockets.setsockopt(fd, sockets.SOL.SOCKET, sockets.SO.LINGER, NO_LINGER);
  sockets.connect(fd, address);
  return fd;
}

function exchange(fd: number, buffer: Buffer): void {
  sockets.send(fd, buffer, sockets.MSG.NOSIGNAL);
  let received = 0;
  while (received < buffer.length) {
    const length = sockets.recv(fd, buffer);
    if (length <= 0) throw new Error('the server hung up');
    received += length;
  }
}

/** How often `run` can be done in a second. */
function rate(windowMs: number, run: () => void): number {
  const started = performance.now();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < windowMs) {
    for (let index = 0; index < 20; index++) run();
    count += 20;
    elapsedMs = performance.now() - started;
  }
  return (count * 1000) / elapsedMs;
}

function measure(question: Question): Rates {
  const address = socketAddress(question);
  const buffer = Buffer.alloc(REQUEST_BYTES);
  const fd = open(address);
  const roundTrips = rate(question.windowMs, () => exchange(fd, buffer));
  ffi.closeFd(fd);
  const connections = rate(question.windowMs, () => {
    const connection = open(address);
    exchange(connection, buffer);
    ffi.closeFd(connection);
  });
  return { roundTrips, connections };
}

/** The first processor this thread may use. */
function firstCpu(): number {
  const allowed = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/thread-self/status', 'utf8'));
  return Number(allowed?.[1] ?? 0);
}

if (!isMainThread) {
  const { role, fd, stop } = workerData as Role;
  enterNetns({ fd, inode: 0n, close() {} });
  ffi.setCpuAffinity([firstCpu()]);
  if (role === 'server') serve(stop);
  else {
    parentPort?.on('message', (question: Question) => parentPort?.postMessage(measure(question)));
    parentPort?.postMessage('ready');
  }
}
