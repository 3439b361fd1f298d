import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Client } from '../cluster/client.ts';
import { withNetns } from '../kernel/netns.ts';
import { cidrAddress, formatIp, parseCidr } from '../model/ip.ts';
import type { MtuReport } from '../cni/mtu-check.ts';
import type { Observation } from '../trace/observe.ts';
import type { Trace } from '../trace/trace.ts';
import { createPki, kubeconfig, type Pki } from './apiserver/pki.ts';
import { createApiServer, type ApiServer } from './apiserver/server.ts';
import { bootstrap } from './bootstrap.ts';
import { checkMtuInLab } from './check-mtu.ts';
import type { ControlMethods, LabInfo, OnNode } from './control/protocol.ts';
import { createControllers } from './controllers/controllers.ts';
import { underlayAddresses } from './links/addresses.ts';
import { createUnderlay } from './links/underlay.ts';
import { askDns, type DnsReply } from './dns-ask.ts';
import { errorText, type Log } from './log.ts';
import type { LabNode } from './nodes/node.ts';
import { whenNodesReady } from './nodes/when-ready.ts';
import { type LookupAnswer, lookUp } from './lookup.ts';
import { observeInLab, openPodNetns } from './observe.ts';
import type { LabOptions } from './options.ts';
import { hostSocketFds } from './process/host-sockets.ts';
import { createScheduler } from './scheduler/scheduler.ts';

export interface Lab {
  /** Resolves when the API server answers and the nodes have been told to start. */
  start(): Promise<void>;
  info(): Promise<LabInfo>;
  /** Sends a real packet along a trace. */
  observe(trace: Trace): Promise<Observation>;
  /** Asks a name server from within a pod, `namespace/name`. */
  lookUp(question: { pod: string; name: string; server: string }): Promise<LookupAnswer>;
  /** Sends one question from within a pod, `namespace/name`; null when the pod runs nowhere. */
  askDns(question: ControlMethods['dnsAsk']['params']): Promise<DnsReply | null>;
  /** Who asks the nodes' DNS. */
  dnsTop(limit: number): Promise<ControlMethods['dnsTop']['result']>;
  dnsLog(from: Readonly<Record<string, number>>): Promise<ControlMethods['dnsLog']['result']>;
  /** Whether every interface on the pods' ways has the same MTU. */
  checkMtu(): Promise<MtuReport>;
  stop(): Promise<void>;
}

interface Started {
  readonly server: string;
  readonly client: Client;
}

const apiPort = 6443;
/** Names that one look at the DNS tells of. */
const MAX_TOP = 1000;

function pkiFor(options: LabOptions): Pki {
  const kubernetes = options.serviceCidrs.map((cidr) => formatIp(cidrAddress(parseCidr(cidr), 1)));
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  return createPki({
    hosts: [
      '127.0.0.1',
      'localhost',
      ...Object.values(underlayAddresses).map(({ router }) => router),
      ...kubernetes,
      ...names,
      `${names[2]}.${options.clusterDomain}`,
    ],
  });
}

export interface LabParts {
  /** Whose threads are starting already. */
  readonly nodes: readonly LabNode[];
  readonly runtimeDirectory: string;
  readonly log: Log;
}

export function createLab(options: LabOptions, { nodes, runtimeDirectory, log }: LabParts): Lab {
  const startedAt = new Date().toISOString();
  const [primary = 4] = options.ipFamilies;
  const addressesOf = (place: 'router' | 'world'): string[] =>
    options.ipFamilies.map((family) => underlayAddresses[family][place]);
  const stopping = new AbortController();
  const underlay = createUnderlay(options.ipFamilies);
  for (const [index, { name, netns }] of nodes.entries()) underlay.plugIn({ name, index, netns });

  const started = Promise.withResolvers<Started>();
  started.promise.catch(() => undefined);
  let api: ApiServer | undefined;
  let running: Promise<unknown> = Promise.resolve();

  function writeKubeconfig(
    pki: Pki,
    file: string,
    { url, user, group }: { url: string; user: string; group: string },
  ): void {
    const credential = pki.issue({ commonName: user, organizations: [group] });
    writeFileSync(file, kubeconfig({ name: options.name, server: url, ca: pki.ca, credential }), {
      mode: 0o600,
    });
  }

  async function schedule(client: Client): Promise<void> {
    await whenNodesReady(client, options.nodes, stopping.signal);
    if (!stopping.signal.aborted) await createScheduler({ client, log }).run(stopping.signal);
  }

  /** What every node says that has something to say. */
  async function onEachNode<T>(ask: (node: LabNode) => Promise<T | undefined>): Promise<OnNode<T>[]> {
    const all = await Promise.all(nodes.map(async (node) => ({ name: node.name, answer: await ask(node) })));
    return all.flatMap(({ name, answer }) => (answer === undefined ? [] : [{ ...answer, node: name }]));
  }

  async function start(): Promise<Started> {
    const pki = pkiFor(options);
    api = createApiServer({
      databasePath: join(runtimeDirectory, 'cluster.db'),
      pki,
      serviceCidr: options.serviceCidrs,
      advertise: { address: underlayAddresses[primary].router, port: apiPort },
      dialKubelet: (node) => connect(join(runtimeDirectory, 'nodes', node, 'kubelet.sock')),
      onError: (error, where) => log('error', `API server, ${where}: ${errorText(error)}`),
    });
    const host = api.listen({ fd: hostSocketFds.api });
    const inside = withNetns(underlay.switchNetns, () => api?.listen({ port: apiPort }));
    await Promise.all([host.ready, inside?.ready]);
    const server = `https://127.0.0.1:${host.port}`;

    const inCluster = `https://${underlayAddresses[4].router}:${apiPort}`;
    writeKubeconfig(pki, join(runtimeDirectory, 'kubeconfig'), {
      url: server,
      user: 'kubernetes-admin',
      group: 'system:masters',
    });
    for (const { name, kubeconfig: file } of nodes) {
      mkdirSync(join(runtimeDirectory, 'nodes', name), { recursive: true, mode: 0o700 });
      writeKubeconfig(pki, file, {
        url: inCluster,
        user: `system:node:${name}`,
        group: 'system:nodes',
      });
    }

    const client = new Client(api.transport());
    await bootstrap(client, options);
    const { clusterCidrs, nodeCidrPrefixLengths } = options;
    running = Promise.all([
      createControllers({ client, clusterCidrs, nodeCidrPrefixLengths, ca: pki.ca, log }).run(
        stopping.signal,
      ),
      schedule(client),
    ]);
    running.catch((error: unknown) => log('error', `controllers: ${errorText(error)}`));
    for (const node of nodes) node.start();
    log('info', `API server at ${server}`);
    return { server, client };
  }

  return {
    async start() {
      try {
        started.resolve(await start());
      } catch (error) {
        log('error', `start: ${errorText(error)}`);
        started.reject(error);
      }
    },
    async info() {
      const { server } = await started.promise;
      return {
        name: options.name,
        runtimeDirectory,
        server,
        clusterCidrs: options.clusterCidrs,
        serviceCidrs: options.serviceCidrs,
        clusterDomain: options.clusterDomain,
        startedAt,
        namespaces: [
          ...nodes.map(({ name, addresses, netns }) => ({
            name,
            kind: 'node' as const,
            addresses,
            fd: netns.fd,
          })),
          { name: 'world', kind: 'world', addresses: addressesOf('world'), fd: underlay.worldNetns.fd },
          { name: 'switch', kind: 'switch', addresses: addressesOf('router'), fd: underlay.switchNetns.fd },
        ],
      };
    },
    async lookUp({ pod, ...question }) {
      const { client } = await started.promise;
      const netns = await openPodNetns(client, nodes, pod);
      if (netns === undefined) return { addresses: [], milliseconds: 0 };
      try {
        return await lookUp(netns, question);
      } finally {
        netns.close();
      }
    },
    async askDns({ pod, ...question }) {
      const { client } = await started.promise;
      const netns = await openPodNetns(client, nodes, pod);
      if (netns === undefined) return null;
      try {
        return await askDns(netns, question);
      } finally {
        netns.close();
      }
    },
    dnsTop: (limit) => onEachNode((node) => node.dnsTop(Math.min(Math.max(1, limit), MAX_TOP))),
    dnsLog: (from) => onEachNode((node) => node.dnsLog(from[node.name] ?? 0)),
    async observe(trace) {
      const { client } = await started.promise;
      return observeInLab(client, { nodes, world: underlay.worldNetns }, trace);
    },
    async checkMtu() {
      const { client } = await started.promise;
      return checkMtuInLab(client, { nodes, switchNetns: underlay.switchNetns });
    },
    async stop() {
      stopping.abort();
      await Promise.allSettled([running, ...nodes.map((node) => node.stop())]);
      await api?.close();
      underlay.close();
    },
  };
}
