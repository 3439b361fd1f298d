/**
 * One node. Wires the capabilities together and knows nothing of who runs the cluster: it has a kubeconfig, the name
 * of its node and a network namespace.
 */
import { join } from 'node:path';
import { Client } from '../cluster/client.ts';
import { createHttpsTransport } from '../cluster/https-transport.ts';
import { createEventRecorder } from '../cluster/events.ts';
import { loadKubeconfig } from '../cluster/kubeconfig.ts';
import { createServiceInformers } from '../cluster/service-informers.ts';
import type { PodNetwork } from '../cni/pod-network.ts';
import type { AgentNetwork } from '../cni/plugins/podnet/network.ts';
import { createPodNetwork, type NodePodNetwork } from '../cni/podnet.ts';
import { createDns, type Dns } from '../dns/dns.ts';
import { createLocalPods } from '../dns/local-pods.ts';
import { keepNotrack, removeNotrack } from '../dns/notrack.ts';
import { createFabric } from '../fabric/fabric.ts';
import type { Netns } from '../kernel/netns.ts';
import { openNftables } from '../kernel/nftables/nftables.ts';
import { openRtnl } from '../kernel/rtnl/rtnl.ts';
import { errorMessage } from '../model/errors.ts';
import { createBackendFactory } from '../services/backends/factory.ts';
import { createSwitchingBackend } from '../services/backends/switching.ts';
import { createServiceProxy } from '../services/service-proxy.ts';
import { runCniSocket } from './cni-socket.ts';
import { createAllNodes } from './all-nodes.ts';
import { readClusterConfig } from './config.ts';
import { clientLimits, defaultDnsConfig } from './dns-config.ts';
import { createOwnNode, podCidrOf } from './own-node.ts';
import { prepareNode } from './prepare-node.ts';
import { runAll } from './run-all.ts';
import { createServiceBackendWatch } from './service-backend-watch.ts';
import { createServiceFollowers } from './service-followers.ts';

export type AgentLog = (level: 'info' | 'warning' | 'error', message: string) => void;

export interface AgentOptions {
  /** Path of a kubeconfig file. */
  readonly kubeconfig: string;
  readonly nodeName: string;
  /** The node's network namespace, which is also the calling thread's. */
  readonly netns: Netns;
  /** For the node's SQLite file, and the socket `cni.sock` that container runtimes' calls come to. */
  readonly stateDirectory: string;
  readonly log: AgentLog;
}

export interface Agent {
  /** Usable at once: `add` waits until the node has its pod CIDR. */
  readonly podNetwork: PodNetwork;
  /** For the CNI plugin `podnet` of this node: `createPodnetPlugin(agent.cni)`. */
  readonly cni: AgentNetwork;
  /** Who asks this node's cluster DNS; undefined before it was started. */
  readonly dnsLook: Dns['look'] | undefined;
  /** Resolves when every capability has brought the kernel up to date for the first time. */
  readonly ready: Promise<void>;
  /** Runs until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createAgent({ kubeconfig, nodeName, netns, stateDirectory, log }: AgentOptions): Agent {
  const ready = Promise.withResolvers<void>();
  const network = Promise.withResolvers<PodNetwork>();
  let ownNetwork: NodePodNetwork | undefined;
  let dnsLook: Dns['look'] | undefined;
  let limitation: string | undefined = 'Not every part of the agent has brought the kernel up to date yet';
  for (const { promise } of [ready, network]) promise.catch(() => undefined);
  ready.promise.then(
    () => (limitation = undefined),
    () => undefined,
  );

  const cni: AgentNetwork = { network: () => ownNetwork, limitation: () => limitation };
  const cniPaths = {
    socketPath: join(stateDirectory, 'cni.sock'),
    spoolDirectory: join(stateDirectory, 'cni-spool'),
  };

  async function run(signal: AbortSignal): Promise<void> {
    const transport = createHttpsTransport(loadKubeconfig(kubeconfig));
    const client = new Client(transport);
    const rtnl = openRtnl({ netns });
    const nftables = openNftables({ netns });
    try {
      const config = await readClusterConfig(client);
      const { dns: dnsConfig = defaultDnsConfig } = config;
      prepareNode(rtnl, config);
      const ownNode = createOwnNode(client, { nodeName, log });
      // Ends with the agent. What goes wrong is told there, and tried again.
      void ownNode.run(signal);
      const podCidr = await podCidrOf(ownNode, signal);
      const podNetwork = createPodNetwork({
        netns,
        rtnl,
        podCidr,
        nodeName,
        databasePath: join(stateDirectory, 'node.db'),
        linkMode: config.linkMode,
        ...(config.mtuBytes !== undefined && { mtuBytes: config.mtuBytes }),
        onDamaged: (path) =>
          log('warning', `the pods' addresses were unreadable and are read from their links; see ${path}`),
      });
      // What was lost while no agent ran, or when one was killed.
      for (const { containerId } of podNetwork.reconcile())
        log('info', `sandbox ${containerId} is gone, its addresses are free`);
      ownNetwork = podNetwork;
      network.resolve(podNetwork);
      const factory = createBackendFactory({ netns, nftables, rtnl });
      const { followers, close } = createServiceFollowers({
        client,
        nodeName,
        netns,
        node: ownNode,
        ...(config.services?.proxyHealthPort !== undefined && {
          proxyHealthPort: config.services.proxyHealthPort,
        }),
        log,
      });
      try {
        const serviceBackend = createSwitchingBackend({
          first: config.serviceBackend,
          create: (name) => factory.create(name),
          log,
        });
        const objects = createServiceInformers(client, {
          onError: (error) => log('warning', `services: ${errorMessage(error)}`),
        });
        const localPods = createLocalPods(client, {
          nodeName,
          onError: (error) => log('warning', `pods of ${nodeName}: ${errorMessage(error)}`),
        });
        const dns = createDns({
          client,
          objects,
          addresses: config.clusterDns,
          alsoAt: dnsConfig.linkLocal,
          limits: clientLimits(dnsConfig),
          clusterDomain: config.clusterDomain,
          upstreams: config.upstreams,
          namespaceOf: (address) => localPods.namespaceOf(address),
          nameOf: (address) => localPods.nameOf(address),
          events: createEventRecorder(client, { component: 'podnet-dns', host: nodeName }),
          log,
        });
        dnsLook = dns.look;
        const dnsNotrack = {
          run: async (until: AbortSignal): Promise<void> => {
            if (!dnsConfig.notrack) return removeNotrack(nftables);
            await keepNotrack(
              {
                nftables,
                addresses: [...config.clusterDns, ...dnsConfig.linkLocal],
                // A little above what the server itself allows, which answers some of the rest with TC.
                limit: {
                  perSecond: Math.ceil(dnsConfig.queriesPerClient * 1.25),
                  burst: dnsConfig.queriesPerClient * 2,
                },
                onError: (error) => log('warning', `DNS: table podnet-dns: ${errorMessage(error)}`),
              },
              until,
            );
          },
        };
        const allNodes = createAllNodes(client, { log });
        const capabilities = [
          createFabric({ client, nodeName, rtnl, nftables, clusterCidrs: config.clusterCidrs, log }),
          createServiceProxy({
            objects,
            nodeName,
            nftables,
            backend: serviceBackend,
            node: ownNode,
            nodes: allNodes,
            ...(config.services?.nodePortAddresses && {
              nodePortAddresses: config.services.nodePortAddresses,
            }),
            localAddresses: config.clusterDns,
            followers,
            log,
          }),
          dns,
        ];
        Promise.all(capabilities.map((part) => part.ready)).then(() => ready.resolve(), ready.reject);
        const runtimes = {
          run: (until: AbortSignal) => runCniSocket({ ...cniPaths, network: cni, log }, until),
        };
        const backendWatch = createServiceBackendWatch({ client, backend: serviceBackend, log });
        await runAll(
          [objects, allNodes, localPods, ...capabilities, dnsNotrack, backendWatch, runtimes],
          signal,
        );
      } finally {
        close();
        factory.close();
        ownNetwork = undefined;
        podNetwork.close();
      }
    } catch (error) {
      ready.reject(error);
      network.reject(error);
      throw error;
    } finally {
      nftables.close();
      rtnl.close();
      transport.close();
    }
  }

  return {
    ready: ready.promise,
    run,
    cni,
    get dnsLook() {
      return dnsLook;
    },
    podNetwork: {
      add: async (sandbox) => (await network.promise).add(sandbox),
      del: async (sandbox) => (await network.promise).del(sandbox),
    },
  };
}
