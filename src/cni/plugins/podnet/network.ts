/** The pod network a request is for: the agent's, or one made of the configuration alone. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PodnetError } from '../../../model/errors.ts';
import { enableForwarding } from '../../attachment/sysctls.ts';
import { type NodePodNetwork, createPodNetwork } from '../../podnet.ts';
import { type PodLinks, createPodLinks } from '../../pod-links.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import type { PodnetConfig } from './config.ts';

/** What the plugin asks of the agent it runs in. */
export interface AgentNetwork {
  /** Undefined as long as the node has no pod CIDR. */
  network(): NodePodNetwork | undefined;
  /** Why pods that are connected now would not reach everything yet; undefined when all is well. */
  limitation(): string | undefined;
}

/** Whether the plugin needs no agent. */
export function isAlone({ podCidrs, ipam }: PodnetConfig): boolean {
  return podCidrs.length > 0 || ipam !== undefined;
}

/** Runs `use` with the network, whose links and addresses belong to this process or to several. */
export async function withNetwork<T>(
  config: PodnetConfig,
  { agent, longLived }: { agent: AgentNetwork | undefined; longLived: boolean },
  use: (network: NodePodNetwork) => T | Promise<T>,
): Promise<T> {
  const known = agent?.network();
  if (known) return use(known);
  if (agent || config.podCidrs.length === 0) throw notReady(agent !== undefined);
  const network = openOwn(config);
  try {
    return await use(network);
  } finally {
    if (longLived) void network.collect().catch(() => undefined);
    network.close();
  }
}

function openOwn({ network, podCidrs, dataDir, linkMode, mtuBytes }: PodnetConfig): NodePodNetwork {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new PodnetError('Cannot make the directory that keeps the pods’ addresses', {
      code: 'ipam-unreadable',
      where: dataDir,
      fix: 'Mount its file system writable, or name another directory as dataDir.',
      cause,
    });
  }
  forward(podCidrs);
  return createPodNetwork({
    podCidr: podCidrs.join(','),
    databasePath: join(dataDir, `${network}.db`),
    linkMode,
    ...(mtuBytes !== undefined && { mtuBytes }),
    onDamaged: (path) =>
      console.error(`podnet: the addresses were unreadable and are read from links; see ${path}`),
  });
}

/** Links without addresses of our own: those come with the request. `cidrs` are of the addresses. */
export function openLinks({ linkMode, mtuBytes }: PodnetConfig, cidrs: readonly string[]): PodLinks {
  forward(cidrs);
  return createPodLinks(cidrs, { linkMode, ...(mtuBytes !== undefined && { mtuBytes }) });
}

function forward(cidrs: readonly string[]): void {
  for (const family of new Set(cidrs.map((cidr) => (cidr.includes(':') ? 6 : 4)))) enableForwarding(family);
}

function notReady(inAgent: boolean): CniError {
  return inAgent
    ? new CniError('This node has no pod CIDR yet', {
        code: cniErrorCodes.tryAgainLater,
        details: 'The cluster gives it one soon after the node joined: kubectl get node -o wide.',
      })
    : new CniError('podnet has no agent on this node, and the configuration no podCIDR', {
        code: cniErrorCodes.tryAgainLater,
        details: 'Start the agent, or write podCIDR or ipam into the configuration.',
      });
}
