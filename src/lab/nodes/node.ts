import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createNetns, type Netns } from '../../kernel/netns.ts';
import { nodeName, underlayAddresses } from '../links/addresses.ts';
import { errorText, type Log } from '../log.ts';
import type { LabOptions } from '../options.ts';
import type { DnsLogPage, DnsTop } from '../../dns/observe/look.ts';
import type { DnsLookQuestion, NodeCommand, NodeMessage, NodeThreadData } from './protocol.ts';

/** The lab's side of one simulated node. */
export interface LabNode {
  readonly name: string;
  /** One of each IP family of the cluster. */
  readonly addresses: readonly string[];
  readonly netns: Netns;
  /** Path of the file by which the node will know its API server. */
  readonly kubeconfig: string;
  /** Tells the node that the API server answers. */
  start(): void;
  /** The network namespace of a pod on this node, by file descriptor. */
  podNetnsFd(podUid: string): Promise<number | undefined>;
  /** Who asks the node's DNS; undefined when it does not run. */
  dnsTop(limit: number): Promise<DnsTop | undefined>;
  dnsLog(from: number): Promise<DnsLogPage | undefined>;
  stop(): Promise<void>;
}

export interface LabNodeOptions {
  readonly index: number;
  readonly runtimeDirectory: string;
  readonly options: LabOptions;
  readonly log: Log;
}

const stopTimeoutMs = 500;

/** Makes a node's namespace and starts its thread, which loads its code and waits for `start`. */
export function createLabNode({ index, runtimeDirectory, options, log }: LabNodeOptions): LabNode {
  const name = nodeName(index);
  const addresses = options.ipFamilies.map((family) => underlayAddresses[family].node(index));
  const netns = createNetns();
  const kubeconfig = join(runtimeDirectory, `${name}.kubeconfig`);
  const entry = import.meta.filename.endsWith('.ts') ? 'node-thread.ts' : 'node-thread.js';
  const workerData: NodeThreadData = {
    name,
    addresses,
    netnsFd: netns.fd,
    kubeconfig,
    runtimeDirectory,
    options,
  };
  const worker = new Worker(join(import.meta.dirname, entry), {
    name,
    workerData,
    // Namespaces and netlink sockets come and go by libc, which Node would take for a mistake.
    trackUnmanagedFds: false,
    // Half of what V8 would keep for new objects: three nodes with 1,000 pods weigh 60 MB less for it, at the same speed.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  const waiting = new Map<number, (fd: number | undefined) => void>();
  const looking = new Map<number, (answer: DnsTop | DnsLogPage | undefined) => void>();
  let lastId = 0;
  const ended = new Promise<void>((done) => {
    worker.on('exit', () => done());
    worker.on('message', (message: NodeMessage) => {
      switch (message.type) {
        case 'log':
          log(message.level, message.message);
          return;
        case 'podNetns':
          waiting.get(message.id)?.(message.fd);
          waiting.delete(message.id);
          return;
        case 'dns':
          looking.get(message.id)?.(message.answer);
          looking.delete(message.id);
          return;
        case 'stopped':
          done();
      }
    });
  });
  worker.on('error', (error) => log('error', `${name}: ${errorText(error)}`));
  const send = (command: NodeCommand): void => worker.postMessage(command);
  const lookAtDns = (question: DnsLookQuestion): Promise<DnsTop | DnsLogPage | undefined> =>
    new Promise((done) => {
      lastId += 1;
      looking.set(lastId, done);
      send({ type: 'dns', id: lastId, question });
    });
  return {
    name,
    addresses,
    netns,
    kubeconfig,
    start: () => send({ type: 'start' }),
    podNetnsFd: (podUid) =>
      new Promise((done) => {
        lastId += 1;
        waiting.set(lastId, done);
        send({ type: 'podNetns', id: lastId, podUid });
      }),
    async dnsTop(limit) {
      const answer = await lookAtDns({ of: 'top', limit });
      return answer !== undefined && 'names' in answer ? answer : undefined;
    },
    async dnsLog(from) {
      const answer = await lookAtDns({ of: 'log', from });
      return answer !== undefined && 'entries' in answer ? answer : undefined;
    },
    async stop() {
      send({ type: 'stop' });
      // The thread closes what it holds and says so. It is not terminated: that must not happen to a thread in a poll of
      // koffi's, and the process, whose end is the end of all, is about to exit.
      await Promise.race([ended, delay(stopTimeoutMs, undefined, { ref: false })]);
    },
  };
}
