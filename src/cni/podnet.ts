/** The pod network of one node: addresses from IPAM, links of either mode, both undone by DEL. */
import { PodnetError, errorMessage } from '../model/errors.ts';
import { type Allocation, type AttachmentKey, type Ipam, createIpam } from './ipam.ts';
import { POD_INTERFACE, POD_NETWORK, type PodLinkPlan } from './pod-link-plan.ts';
import { type PodLinks, type PodLinksOptions, createPodLinks } from './pod-links.ts';
import type { PodAttachment, PodNetwork, Sandbox } from './pod-network.ts';
import { type PodTraffic, createPodTraffic, noPodTraffic } from './pod-traffic.ts';

export interface PodNetworkOptions extends PodLinksOptions {
  /** The node's `spec.podCIDR`, or its `spec.podCIDRs` with a comma between them: one per IP family. */
  readonly podCidr: string;
  /** The SQLite file that keeps the addresses; `:memory:` for none. */
  readonly databasePath: string;
  /** For error messages. */
  readonly nodeName?: string;
  /** The kernel's unless told. */
  readonly bootId?: string;
  /** Told when the file of addresses was damaged, with the path it was put aside to. */
  readonly onDamaged?: (path: string) => void;
}

/** What a pod got, and how. */
export interface NodeAttachment extends PodAttachment {
  readonly plan: PodLinkPlan;
}

export interface NodePodNetwork extends PodNetwork {
  add(sandbox: Sandbox): Promise<NodeAttachment>;
  /**
   * After a restart or a crash: compares the addresses with the links that exist, gives back what nobody has, and
   * removes what was left unfinished. Nobody has an address whose link is gone: a link lives as long as its pod's
   * namespace, and none outlives a reboot. Returns who lost addresses.
   */
  reconcile(): readonly AttachmentKey[];
  /** Takes everything off a network that is not in the list: CNI's GC. Returns who lost their connection. */
  retain(network: string, attachments: readonly AttachmentKey[]): readonly AttachmentKey[];
  allocations(): readonly Allocation[];
  /** Throws when an ADD could not get an address. */
  probe(): void;
  /** Deletes the links of deleted pods now. It also happens by itself, shortly after the last DEL. */
  collect(): Promise<void>;
  /** The same, and waits for it: for a process that ends. */
  collectNow(): void;
  /** Closes the doors. The pods keep their network. */
  close(): void;
}

/** @throws PodnetError when a pod CIDR or the database cannot be used */
export function createPodNetwork(options: PodNetworkOptions): NodePodNetwork {
  const { databasePath, nodeName, bootId, onDamaged } = options;
  const podCidrs = options.podCidr.split(',').filter((cidr) => cidr !== '');
  const ipam = createIpam({
    podCidrs,
    databasePath,
    ...(nodeName !== undefined && { nodeName }),
    ...(bootId !== undefined && { bootId }),
  });
  let links: PodLinks | undefined;
  try {
    links = createPodLinks(podCidrs, options);
    const traffic = options.openRtnl ? noPodTraffic : createPodTraffic(options.netns);
    const network = new LinkedPodNetwork(ipam, links, traffic);
    if (ipam.damaged !== undefined) {
      onDamaged?.(ipam.damaged);
      network.reconcile();
    }
    return network;
  } catch (error) {
    links?.close();
    ipam.close();
    throw error;
  }
}

class LinkedPodNetwork implements NodePodNetwork {
  readonly #ipam: Ipam;
  readonly #links: PodLinks;
  readonly #traffic: PodTraffic;

  constructor(ipam: Ipam, links: PodLinks, traffic: PodTraffic) {
    this.#ipam = ipam;
    this.#links = links;
    this.#traffic = traffic;
  }

  // eslint-disable-next-line typescript/require-await -- the contract is asynchronous, the kernel is not
  async add(sandbox: Sandbox): Promise<NodeAttachment> {
    const { containerId, namespace, name, interfaceName = POD_INTERFACE } = sandbox;
    const { network = POD_NETWORK, requestedAddresses = [], assignedAddresses, mac } = sandbox;
    checkSandbox(sandbox);
    const key = { containerId, interfaceName };
    const isConnected = this.#ipam.addressesOf(key).length > 0;
    const addresses =
      assignedAddresses ?? this.#ipam.allocate({ ...key, network, namespace, name }, requestedAddresses);
    let plan: PodLinkPlan;
    try {
      const pod = `${namespace}/${name}`;
      plan = this.#links.connect({ ...key, network, pod, addresses, ...(mac && { mac }) }, sandbox);
      this.#traffic.apply(sandbox, key, plan);
    } catch (error) {
      if (!isConnected) this.#tryUndo(key, addresses);
      if (error instanceof PodnetError) throw error;
      throw new PodnetError(`Cannot connect the pod: ${errorMessage(error)}`, {
        code: 'pod-link-failed',
        where: `pod ${namespace}/${name}, sandbox ${containerId}`,
        fix: 'The pod is tried again by itself; if the error stays, delete the pod, so that it gets a new sandbox.',
        cause: error,
      });
    }
    const { pod, host, mtuBytes } = plan;
    return { addresses, mac: pod.mac, hostInterface: host.interface, mtuBytes, plan };
  }

  /** The address is free only when its link is out of service. */
  #undo(key: AttachmentKey, addresses: readonly string[]): void {
    this.#links.disconnect(key, addresses);
    this.#traffic.remove(key);
    this.#ipam.release(key);
  }

  /** After a failed ADD, whose error is the one to tell. What is left over goes with the DEL that follows it. */
  #tryUndo(key: AttachmentKey, addresses: readonly string[]): void {
    try {
      this.#undo(key, addresses);
    } catch {
      // As said above.
    }
  }

  // eslint-disable-next-line typescript/require-await -- as above
  async del({ containerId, interfaceName = POD_INTERFACE }: Pick<Sandbox, 'containerId' | 'interfaceName'>) {
    const key = { containerId, interfaceName };
    this.#undo(key, this.#knownAddresses(key));
  }

  /** What cannot be read must not keep the pod on the network. */
  #knownAddresses(key: AttachmentKey): readonly string[] {
    try {
      return this.#ipam.addressesOf(key);
    } catch {
      return [];
    }
  }

  reconcile(): readonly AttachmentKey[] {
    const gone = this.#ipam.reconcile(this.#links.holders());
    const allocations = this.#ipam.allocations();
    this.#traffic.retain([...allocations, ...this.#links.holders()]);
    this.#links.sweep(allocations);
    return gone;
  }

  retain(network: string, attachments: readonly AttachmentKey[]): readonly AttachmentKey[] {
    const isKept = (key: AttachmentKey): boolean =>
      attachments.some(
        (one) => one.containerId === key.containerId && one.interfaceName === key.interfaceName,
      );
    const gone = new Map<string, AttachmentKey>();
    for (const holder of [...this.#ipam.allocations(), ...this.#links.holders()]) {
      const { containerId, interfaceName } = holder;
      if (holder.network === network && !isKept(holder))
        gone.set(`${containerId} ${interfaceName}`, { containerId, interfaceName });
    }
    for (const key of gone.values()) {
      this.#links.disconnect(key, this.#ipam.addressesOf(key));
      this.#traffic.remove(key);
    }
    this.#ipam.retain(network, attachments);
    return [...gone.values()];
  }

  allocations(): readonly Allocation[] {
    return this.#ipam.allocations();
  }

  probe(): void {
    this.#ipam.probe();
  }

  collect(): Promise<void> {
    return this.#links.collect();
  }

  collectNow(): void {
    this.#links.collectNow();
  }

  close(): void {
    this.#traffic.close();
    this.#links.close();
    this.#ipam.close();
  }
}

function checkSandbox({ containerId, namespace, name, interfaceName = POD_INTERFACE }: Sandbox): void {
  const where = `pod ${namespace}/${name}`;
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(containerId)) {
    throw new PodnetError('A container id is 1 to 64 letters, digits, dots, dashes and underscores', {
      code: 'bad-container-id',
      where: `${where}: ${JSON.stringify(containerId)}`,
      fix: 'Let the container runtime pass such an id (CNI_CONTAINERID).',
    });
  }
  if (!/^[^\s/:]{1,15}$/.test(interfaceName) || interfaceName === '.' || interfaceName === '..') {
    throw new PodnetError('A name of an interface is 1 to 15 characters without blanks, slashes and colons', {
      code: 'bad-interface-name',
      where: `${where}: ${JSON.stringify(interfaceName)}`,
      fix: 'Let the container runtime pass such a name (CNI_IFNAME).',
    });
  }
}
