/** The pods' links of one node, of either mode. Knows no IPAM: addresses come from whoever calls. */
import { type Netns, withNetns } from '../kernel/netns.ts';
import { type Link, type Rtnl, openRtnl } from '../kernel/rtnl/rtnl.ts';
import { tryReadSysctl, writeSysctl } from '../kernel/sysctl.ts';
import { PodnetError } from '../model/errors.ts';
import { cidrAddress, formatIp } from '../model/ip.ts';
import { BRIDGE, BRIDGE_NETFILTER_SYSCTLS, bridgeLinkPlan, bridgePlan } from './bridge-link-plan.ts';
import type { AddressHolder, Allocation, AttachmentKey } from './ipam.ts';
import {
  type PodLinkDoors,
  type PodNamespace,
  applyBridge,
  applyPodLink,
  discardPodLink,
  forgetPod,
} from './pod-link.ts';
import {
  POD_LINK_GROUP,
  POD_ROUTE_PROTOCOL,
  type PodLinkPlan,
  type PodLinkRequest,
  TRASH_LINK_GROUP,
  hostInterfaceName,
  readAlias,
} from './pod-link-plan.ts';
import type { LinkMode } from './pod-network.ts';
import { routedLinkPlan } from './routed-link-plan.ts';
import { createUplinkReader, type UplinkFacts } from './uplink.ts';

export interface PodLinksOptions {
  /** The node's namespace; the calling thread's unless told. */
  readonly netns?: Netns;
  /** The door to that namespace, if one is open already. It stays open. */
  readonly rtnl?: Rtnl;
  /** `routed` unless told. */
  readonly linkMode?: LinkMode;
  /** The node's own addresses, from which it connects to its pods; the uplink's unless told. */
  readonly nodeAddresses?: readonly string[];
  /** Of the pods' links; the uplink's less `overheadBytes` unless told. */
  readonly mtuBytes?: number;
  /** What tunnels and encryption between nodes put around each packet; 0 unless told. */
  readonly overheadBytes?: number;
  /** Whether the kernel shows bridged packets to nftables; found out unless told. */
  readonly bridgeNetfilter?: boolean;
  /** Another way into the kernel, for tests. */
  readonly openRtnl?: (options: { netns?: Netns }) => Rtnl;
  readonly setSysctl?: PodLinkDoors['setSysctl'];
}

export interface PodLinks {
  /** Connects a pod. @throws PodnetError, and what the kernel says */
  connect(pod: Omit<PodLinkRequest, 'mtuBytes' | 'nodeAddresses'>, to: PodNamespace): PodLinkPlan;
  /** Takes a pod off the network at once. `addresses` are those it is known to have. No link is no error. */
  disconnect(key: AttachmentKey, addresses?: readonly string[]): void;
  /** Who is connected, as the kernel tells. A link lives no longer than its pod's namespace. */
  holders(): readonly AddressHolder[];
  /** Takes unfinished links off the network, unless `keep` has them, and the routes to pods that are no more. */
  sweep(keep: readonly Allocation[]): void;
  /** Deletes the links of deleted pods now. It also happens by itself, shortly after the last of them. */
  collect(): Promise<void>;
  /** Deletes them now and waits: for a process that ends. */
  collectNow(): void;
  close(): void;
}

/** Deleting waits until no pod was deleted for this long, for a group costs hardly more than one link. */
const COLLECT_DELAY_MS = 1000;
/** But no longer than this after the first. */
const COLLECT_LIMIT_MS = 10_000;
/** RFC 8200, section 5, and RFC 791: below these a link carries no IPv6, and hardly IPv4. */
const SMALLEST_MTU = { 4: 576, 6: 1280 } as const;

/** `podCidrs`: the node's, one of each IP family, which a bridge has its gateway in. */
export function createPodLinks(podCidrs: readonly string[], options: PodLinksOptions = {}): PodLinks {
  return new NodeLinks(podCidrs, options);
}

class NodeLinks implements PodLinks {
  readonly #podCidrs: readonly string[];
  readonly #options: PodLinksOptions;
  readonly #doors: PodLinkDoors;
  readonly #host: Rtnl;
  readonly #uplink: () => UplinkFacts;
  #bridgeNetfilter: boolean | undefined;
  #collectTimer: NodeJS.Timeout | undefined;
  #oldestTrash: number | undefined;

  constructor(podCidrs: readonly string[], options: PodLinksOptions) {
    const {
      netns,
      setSysctl = (name, value, where) => inside(where ?? netns, () => writeSysctl(name, value)),
    } = options;
    const open = options.openRtnl ?? openRtnl;
    this.#podCidrs = podCidrs;
    this.#options = options;
    this.#host = options.rtnl ?? open(netns ? { netns } : {});
    this.#doors = { host: this.#host, open, setSysctl };
    this.#uplink = createUplinkReader(this.#host, options.nodeAddresses);
  }

  connect(pod: Omit<PodLinkRequest, 'mtuBytes' | 'nodeAddresses'>, to: PodNamespace): PodLinkPlan {
    const uplink = this.#uplink();
    const { mtuBytes = uplink.mtuBytes - (this.#options.overheadBytes ?? 0) } = this.#options;
    checkMtu(mtuBytes, pod.addresses);
    const request = { ...pod, mtuBytes, nodeAddresses: uplink.addresses };
    const plan = this.#options.linkMode === 'bridge' ? this.#bridged(request) : routedLinkPlan(request);
    applyPodLink(plan, to, this.#doors);
    return plan;
  }

  #bridged(request: PodLinkRequest): PodLinkPlan {
    this.#bridgeNetfilter ??= this.#options.bridgeNetfilter ?? this.#hasBridgeNetfilter();
    const bridge = bridgePlan({
      podCidrs: this.#podCidrs,
      mtuBytes: request.mtuBytes,
      bridgeNetfilter: this.#bridgeNetfilter,
    });
    for (const cidr of bridge.podCidrs) refuseGateway(formatIp(cidrAddress(cidr, 1)), request.addresses);
    const plan = bridgeLinkPlan(request, bridge);
    applyBridge(bridge, this.#doors);
    return plan;
  }

  #hasBridgeNetfilter(): boolean {
    return inside(this.#options.netns, () => tryReadSysctl(BRIDGE_NETFILTER_SYSCTLS[4]) !== undefined);
  }

  disconnect({ containerId, interfaceName }: AttachmentKey, addresses: readonly string[] = []): void {
    discardPodLink(hostInterfaceName(containerId, interfaceName), this.#host, addresses);
    this.#scheduleCollection();
  }

  holders(): readonly AddressHolder[] {
    return this.#links().flatMap(({ name, alias }) => {
      const owner = readAlias(alias);
      if (!owner || hostInterfaceName(owner.containerId, owner.interfaceName) !== name) return [];
      const [namespace = '', podName = ''] = owner.pod.split('/');
      const { addresses, containerId, interfaceName, network } = owner;
      return [{ addresses, containerId, interfaceName, network, namespace, name: podName }];
    });
  }

  #links(): Link[] {
    return this.#host.links().filter(({ group }) => group === POD_LINK_GROUP);
  }

  sweep(keep: readonly Allocation[]): void {
    const kept = new Set(
      keep.map(({ containerId, interfaceName }) => hostInterfaceName(containerId, interfaceName)),
    );
    for (const { name, alias } of this.#links()) {
      if (!readAlias(alias) && !kept.has(name)) discardPodLink(name, this.#host);
    }
    const alive = new Set(keep.map(({ address }) => address));
    for (const { addresses } of this.holders()) for (const address of addresses) alive.add(address);
    this.#sweepBridge(alive);
    this.#collectLater();
  }

  #sweepBridge(alive: ReadonlySet<string>): void {
    const bridge = this.#host.link(BRIDGE);
    for (const { link, dst } of bridge ? this.#host.routes({ protocol: POD_ROUTE_PROTOCOL }) : []) {
      const address = dst.slice(0, dst.indexOf('/'));
      if (link !== undefined && link === bridge?.index && !alive.has(address))
        forgetPod(this.#host, link, address);
    }
  }

  #scheduleCollection(): void {
    this.#oldestTrash ??= performance.now();
    if (performance.now() - this.#oldestTrash > COLLECT_LIMIT_MS) return;
    clearTimeout(this.#collectTimer);
    this.#collectTimer = setTimeout(() => this.#collectLater(), COLLECT_DELAY_MS).unref();
  }

  collect(): Promise<void> {
    clearTimeout(this.#collectTimer);
    this.#oldestTrash = undefined;
    return this.#host.deleteLinkGroupInBackground(TRASH_LINK_GROUP);
  }

  collectNow(): void {
    clearTimeout(this.#collectTimer);
    this.#oldestTrash = undefined;
    this.#host.deleteLinkGroup(TRASH_LINK_GROUP);
  }

  /** What cannot be deleted now is tried again with the next DEL. */
  #collectLater(): void {
    this.collect().catch(() => {});
  }

  close(): void {
    clearTimeout(this.#collectTimer);
    if (this.#host !== this.#options.rtnl) this.#host.close();
  }
}

function inside<T>(netns: Netns | undefined, run: () => T): T {
  return netns ? withNetns(netns, run) : run();
}

function checkMtu(mtuBytes: number, addresses: readonly string[]): void {
  const smallest = SMALLEST_MTU[addresses.some((address) => address.includes(':')) ? 6 : 4];
  if (Number.isInteger(mtuBytes) && mtuBytes >= smallest && mtuBytes <= 65_535) return;
  throw new PodnetError(`An MTU of ${mtuBytes} is none for pods`, {
    code: 'bad-mtu',
    where: `mtu ${mtuBytes}`,
    fix: `Choose from ${smallest} to 65535, or raise the MTU of the node’s uplink.`,
  });
}

function refuseGateway(gateway: string, addresses: readonly string[]): void {
  if (!addresses.includes(gateway)) return;
  throw new PodnetError(`${gateway} is the gateway's address, ${BRIDGE} has it`, {
    code: 'address-reserved',
    where: `${BRIDGE} ${gateway}`,
    fix: 'Let the IPAM plugin keep the first address of the range free.',
  });
}
