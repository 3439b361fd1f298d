/** The pod network of one node: addresses from IPAM, links from the plan, both undone by DEL. */
import type { Netns } from '../kernel/netns.ts';
import { withNetns } from '../kernel/netns.ts';
import { type Rtnl, openRtnl } from '../kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../kernel/sysctl.ts';
import { PodnetError, errorMessage } from '../model/errors.ts';
import { type Allocation, createIpam } from './ipam.ts';
import { applyPodLink, discardPodLink } from './pod-link.ts';
import { POD_LINK_GROUP, TRASH_LINK_GROUP, hostInterfaceName, podLinkPlan } from './pod-link-plan.ts';
import type { PodAttachment, PodNetwork, Sandbox } from './pod-network.ts';
import { createUplinkReader, type UplinkFacts } from './uplink.ts';

export interface PodNetworkOptions {
  /** The node's namespace; the calling thread's unless told. */
  readonly netns?: Netns;
  /** The door to that namespace, if one is open already. It stays open. */
  readonly rtnl?: Rtnl;
  /** The node's `spec.podCIDR`, or its `spec.podCIDRs` with a comma between them: one per IP family. */
  readonly podCidr: string;
  /** The node's own addresses, from which it connects to its pods; the uplink's unless told. */
  readonly nodeAddresses?: readonly string[];
  /** Of the pods' links; the uplink's unless told. */
  readonly mtuBytes?: number;
  /** The SQLite file that keeps the addresses; `:memory:` for none. */
  readonly databasePath: string;
  /** For error messages. */
  readonly nodeName?: string;
  /** Another way into the kernel, for tests. */
  readonly openRtnl?: (options: { netns?: Netns }) => Rtnl;
  readonly setSysctl?: (name: string, value: string) => void;
}

export interface NodePodNetwork extends PodNetwork {
  /** After a restart: takes back what belongs to sandboxes that are no more. Returns their container ids. */
  reconcile(containerIds: Iterable<string>): readonly string[];
  allocations(): readonly Allocation[];
  /** Deletes the links of deleted pods now. It also happens by itself, shortly after the last DEL. */
  collect(): Promise<void>;
  /** Closes the doors. The pods keep their network. */
  close(): void;
}

/** Deleting waits until no pod was deleted for this long, for a group costs hardly more than one link. */
const COLLECT_DELAY_MS = 1000;
/** But no longer than this after the first. */
const COLLECT_LIMIT_MS = 10_000;

/** @throws PodnetError when a pod CIDR or the database cannot be used */
export function createPodNetwork(options: PodNetworkOptions): NodePodNetwork {
  return new RoutedPodNetwork(options);
}

class RoutedPodNetwork implements NodePodNetwork {
  readonly #options: PodNetworkOptions;
  readonly #open: NonNullable<PodNetworkOptions['openRtnl']>;
  readonly #setSysctl: (name: string, value: string) => void;
  readonly #ipam;
  readonly #host: Rtnl;
  readonly #uplink: () => UplinkFacts;
  #collectTimer: NodeJS.Timeout | undefined;
  #oldestTrash: number | undefined;

  constructor(options: PodNetworkOptions) {
    const { netns, databasePath, nodeName } = options;
    const podCidrs = options.podCidr.split(',').filter((cidr) => cidr !== '');
    this.#options = options;
    this.#open = options.openRtnl ?? openRtnl;
    this.#setSysctl =
      options.setSysctl ??
      (netns ? (name, value) => withNetns(netns, () => writeSysctl(name, value)) : writeSysctl);
    this.#ipam = createIpam({ podCidrs, databasePath, ...(nodeName !== undefined && { nodeName }) });
    try {
      this.#host = options.rtnl ?? this.#open(netns ? { netns } : {});
    } catch (error) {
      this.#ipam.close();
      throw error;
    }
    this.#uplink = createUplinkReader(this.#host, options.nodeAddresses);
  }

  // eslint-disable-next-line typescript/require-await -- the contract is asynchronous, the kernel is not
  async add(sandbox: Sandbox): Promise<PodAttachment> {
    const { containerId, netns } = sandbox;
    checkSandbox(sandbox);
    const uplink = this.#uplink();
    const { mtuBytes = uplink.mtuBytes } = this.#options;
    const isConnected = this.#ipam.addressesOf(containerId).length > 0;
    const addresses = this.#ipam.allocate(sandbox);
    const plan = podLinkPlan({ containerId, addresses, mtuBytes, nodeAddresses: uplink.addresses });
    try {
      applyPodLink(plan, netns, { host: this.#host, open: this.#open, setSysctl: this.#setSysctl });
    } catch (error) {
      if (!isConnected) this.#tryUndo(containerId);
      if (error instanceof PodnetError) throw error;
      throw new PodnetError(`Cannot connect the pod: ${errorMessage(error)}`, {
        code: 'pod-link-failed',
        where: `pod ${sandbox.namespace}/${sandbox.name}, sandbox ${containerId}`,
        fix: 'The pod is tried again by itself; if the error stays, delete the pod, so that it gets a new sandbox.',
        cause: error,
      });
    }
    return { addresses, mac: plan.pod.mac, hostInterface: plan.host.interface, mtuBytes };
  }

  /** The address is free only when its link is out of service. */
  #undo(containerId: string): void {
    discardPodLink(hostInterfaceName(containerId), this.#host);
    this.#scheduleCollection();
    this.#ipam.release(containerId);
  }

  /** After a failed ADD, whose error is the one to tell. What is left over goes with the DEL that follows it. */
  #tryUndo(containerId: string): void {
    try {
      this.#undo(containerId);
    } catch {
      // As said above.
    }
  }

  // eslint-disable-next-line typescript/require-await -- as above
  async del({ containerId }: Pick<Sandbox, 'containerId'>): Promise<void> {
    this.#undo(containerId);
  }

  reconcile(containerIds: Iterable<string>): readonly string[] {
    const alive = [...containerIds];
    const names = new Set(alive.map((id) => hostInterfaceName(id)));
    for (const link of this.#host.links()) {
      if (link.group === POD_LINK_GROUP && !names.has(link.name)) discardPodLink(link.name, this.#host);
    }
    this.#collectLater();
    return this.#ipam.reconcile(alive);
  }

  allocations(): readonly Allocation[] {
    return this.#ipam.allocations();
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

  /** What cannot be deleted now is tried again with the next DEL. */
  #collectLater(): void {
    this.collect().catch(() => {});
  }

  close(): void {
    clearTimeout(this.#collectTimer);
    if (this.#host !== this.#options.rtnl) this.#host.close();
    this.#ipam.close();
  }
}

function checkSandbox({ containerId, namespace, name }: Sandbox): void {
  if (/^[A-Za-z0-9_.-]{1,64}$/.test(containerId)) return;
  throw new PodnetError('A container id is 1 to 64 letters, digits, dots, dashes and underscores', {
    code: 'bad-container-id',
    where: `pod ${namespace}/${name}: ${JSON.stringify(containerId)}`,
    fix: 'Let the container runtime pass such an id (CNI_CONTAINERID).',
  });
}
