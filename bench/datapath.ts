import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createPodNetwork } from '../src/cni/podnet.ts';
import { applyRoutes } from '../src/fabric/apply-routes.ts';
import { compile as compileFabric } from '../src/fabric/compile.ts';
import { egressRules } from '../src/fabric/egress.ts';
import * as ffi from '../src/kernel/ffi.ts';
import * as sockets from '../src/kernel/ffi-sockets.ts';
import { createNetns, enterNetns, withNetns, type Netns } from '../src/kernel/netns.ts';
import { openNftables } from '../src/kernel/nftables/nftables.ts';
import { openRtnl } from '../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../src/kernel/sysctl.ts';
import type { Node } from '../src/model/objects.ts';
import { createNftablesBackend } from '../src/services/backends/nftables.ts';
import { compile as compileServices } from '../src/services/compile.ts';
import type { BenchRow } from './row.ts';

const PORT = 9000;
const SERVICE = '10.96.0.50';
const WINDOW_MS = 250;
const ROUNDS = 7;
const REQUEST_BYTES = 64;

/** A way from a client to a server, measured beside the others. */
interface Path {
  readonly name: string;
  readonly client: Netns;
  readonly address: string;
}

interface Rates {
  readonly roundTrips: number;
  readonly connections: number;
}

/**
 * Round trips and new connections a second, client and server on one processor, of a bare veth pair, of pods on one
 * node and on two, and of a pod and a Service. The paths take turns, and what counts is each turn's ratio.
 */
export async function rows(): Promise<BenchRow[]> {
  const lab = await build();
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const servers = await Promise.all(
    lab.servers.map((netns) => start({ role: 'server', fd: netns.fd, stop })),
  );
  const clients = new Map<Netns, Worker>();
  for (const { client } of lab.paths) {
    if (!clients.has(client)) clients.set(client, await start({ role: 'client', fd: client.fd, stop }));
  }
  const measured = new Map<string, Rates[]>(lab.paths.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, client, address } of lab.paths) {
      const worker = clients.get(client);
      if (worker) measured.get(name)?.push(await ask<Rates>(worker, address));
    }
  }
  Atomics.store(stop, 0, 1);
  await Promise.all([...servers, ...clients.values()].map((worker) => worker.terminate()));
  lab.close();
  const bare = measured.get('bare veth pair') ?? [];
  const pod = measured.get('pod to pod') ?? [];
  const remote = measured.get('pod to pod of another node') ?? [];
  const service = measured.get('pod to Service') ?? [];
  return (['roundTrips', 'connections'] as const).flatMap((kind) => [
    row('pod to pod', kind, { own: pod, base: bare, baseName: 'bare veth pair', least: 0.7 }),
    row('pod to pod of another node', kind, {
      own: remote,
      base: bare,
      baseName: 'bare veth pair',
      least: 0.5,
    }),
    row('pod to Service', kind, { own: service, base: bare, baseName: 'bare veth pair', least: 0.6 }),
    row('pod to Service', kind, { own: service, base: pod, baseName: 'pod to pod', least: 0.9 }),
  ]);
}

function row(
  name: string,
  kind: keyof Rates,
  { own, base, baseName, least }: { own: Rates[]; base: Rates[]; baseName: string; least: number },
): BenchRow {
  const ratio = median(own.map((rates, round) => rates[kind] / (base[round]?.[kind] ?? Number.NaN)));
  return {
    figure: `${name}, ${kind === 'roundTrips' ? 'round trips' : 'connections'}`,
    value: Math.round(median(own.map((rates) => rates[kind]))),
    unit: '/s',
    comparedWith: `${baseName} ${Math.round(median(base.map((rates) => rates[kind])))}/s`,
    ratio,
    target: `≥ ${least} of ${baseName}`,
    ok: ratio >= least,
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Two nodes side by side with pods as podnet makes them, all rules loaded, and a bare pair. */
async function build(): Promise<{ paths: Path[]; servers: Netns[]; close(): void }> {
  const [bareClient, bareServer, nodeA, nodeB, client, server, remote] = Array.from({ length: 7 }, () =>
    createNetns(),
  );
  if (!bareClient || !bareServer || !nodeA || !nodeB || !client || !server || !remote)
    throw new Error('no namespaces');
  connect(bareClient, bareServer, ['10.99.0.1', '10.99.0.2']);
  connect(nodeA, nodeB, ['172.18.0.2', '172.18.0.3']);
  const nodes = [1, 2].map((index): Node => ({
    metadata: { name: `node-${index}` },
    spec: { podCIDR: `10.244.${index}.0/24` },
    status: { addresses: [{ type: 'InternalIP', address: `172.18.0.${index + 1}` }] },
  }));
  const closers: (() => void)[] = [];
  const networks = [nodeA, nodeB].map((netns, index) => {
    withNetns(netns, () => writeSysctl('net.ipv4.ip_forward', 1));
    const rtnl = openRtnl({ netns });
    const nftables = openNftables({ netns });
    const plan = compileFabric(nodes, { nodeName: `node-${index + 1}`, clusterCidrs: ['10.244.0.0/16'] });
    applyRoutes(rtnl, plan);
    nftables.apply(egressRules(plan.egress));
    const network = createPodNetwork({
      netns,
      rtnl,
      podCidr: `10.244.${index + 1}.0/24`,
      databasePath: ':memory:',
    });
    closers.push(
      () => network.close(),
      () => nftables.close(),
      () => rtnl.close(),
    );
    return { network, nftables };
  });
  const [a, b] = networks;
  if (!a || !b) throw new Error('no nodes');
  const sandbox = { namespace: 'default', name: 'pod', uid: '' };
  await a.network.add({ ...sandbox, containerId: 'client', netns: client });
  const local = await a.network.add({ ...sandbox, containerId: 'server', netns: server });
  const far = await b.network.add({ ...sandbox, containerId: 'remote', netns: remote });
  const address = local.addresses[0] ?? '';
  createNftablesBackend({ nftables: a.nftables }).sync(serviceFor(address));
  return {
    paths: [
      { name: 'bare veth pair', client: bareClient, address: '10.99.0.2' },
      { name: 'pod to pod', client, address },
      { name: 'pod to pod of another node', client, address: far.addresses[0] ?? '' },
      { name: 'pod to Service', client, address: SERVICE },
    ],
    servers: [bareServer, server, remote],
    close() {
      for (const close of closers) close();
      for (const netns of [bareClient, bareServer, nodeA, nodeB, client, server, remote]) netns.close();
    },
  };
}

function serviceFor(address: string): ReturnType<typeof compileServices> {
  const metadata = { namespace: 'default', name: 'echo' };
  const port = { name: '', port: PORT, protocol: 'TCP' };
  return compileServices(
    [{ metadata, spec: { clusterIP: SERVICE, clusterIPs: [SERVICE], ports: [port] } }],
    [
      {
        metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'echo' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
        ports: [port],
      },
    ],
  );
}

/** A veth pair between two namespaces, an address at each end. */
function connect(left: Netns, right: Netns, addresses: readonly [string, string]): void {
  const near = openRtnl({ netns: left });
  near.addLink({ kind: 'veth', name: 'eth0', peer: { name: 'eth0', netns: right } });
  near.close();
  for (const [index, netns] of [left, right].entries()) {
    const rtnl = openRtnl({ netns });
    rtnl.setLink('lo', { up: true });
    rtnl.setLink('eth0', { up: true });
    rtnl.addAddress({ link: 'eth0', address: addresses[index] ?? '', prefixLength: 24 });
    rtnl.close();
  }
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

async function ask<T>(worker: Worker, question: string): Promise<T> {
  const answer = once(worker, 'message');
  worker.postMessage(question);
  return (await answer)[0] as T;
}

/** struct sockaddr_in */
function socketAddress(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(sockets.AF.INET, 0);
  bytes.writeUInt16BE(PORT, 2);
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
  sockets.bind(listener, socketAddress('0.0.0.0'));
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
function rate(run: () => void): number {
  const started = performance.now();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < WINDOW_MS) {
    for (let index = 0; index < 20; index++) run();
    count += 20;
    elapsedMs = performance.now() - started;
  }
  return (count * 1000) / elapsedMs;
}

function measure(text: string): Rates {
  const address = socketAddress(text);
  const buffer = Buffer.alloc(REQUEST_BYTES);
  const fd = open(address);
  const roundTrips = rate(() => exchange(fd, buffer));
  ffi.closeFd(fd);
  const connections = rate(() => {
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
    parentPort?.on('message', (address: string) => parentPort?.postMessage(measure(address)));
    parentPort?.postMessage('ready');
  }
}
