/**
 * Addresses for sandboxes, kept in one SQLite file so that a restart forgets none. Given out in turn: an address
 * that was released comes again only after all others were given, so that late packets find nobody. Nothing here looks
 * at the clock. Several processes may share the file: each change is one transaction, and what others changed is read
 * again first.
 */
import { readFileSync } from 'node:fs';
import { addressRanges } from './ipam-range.ts';
import { openStore, storeError } from './ipam-store.ts';
import { SqliteIpam } from './sqlite-ipam.ts';

export interface IpamOptions {
  /** One per IP family; the order is that of a sandbox's addresses. */
  readonly podCidrs: readonly string[];
  /** `:memory:` forgets all at the end. */
  readonly databasePath: string;
  /** For error messages. */
  readonly nodeName?: string;
  /** The kernel's boot id unless told: after a reboot nobody has an address any more. */
  readonly bootId?: string;
}

/** Which interface of which sandbox. */
export interface AttachmentKey {
  readonly containerId: string;
  readonly interfaceName: string;
}

/** Who has an address, the pod for people who look into the file. */
export interface AddressOwner extends AttachmentKey {
  /** Of the network the interface belongs to; several may share a range. */
  readonly network: string;
  readonly namespace: string;
  readonly name: string;
}

export interface Allocation extends AddressOwner {
  readonly address: string;
}

/** An owner and what it was found to have. */
export interface AddressHolder extends AddressOwner {
  readonly addresses: readonly string[];
}

export interface Ipam {
  /** Where a damaged file was put; the store began empty then. */
  readonly damaged: string | undefined;
  /**
   * One address of each CIDR, the wanted ones where there are. The same ones again for an owner that has them.
   * @throws PodnetError when a range is full, or a wanted address is taken or not to be had
   */
  allocate(owner: AddressOwner, wanted?: readonly string[]): readonly string[];
  /** What the owner has; none if it was never given any. */
  addressesOf(key: AttachmentKey): readonly string[];
  /** Returns the addresses that became free; none for an owner that had none. */
  release(key: AttachmentKey): readonly string[];
  /** Of a network: releases what belongs to nobody in the list, and returns whose that was. */
  retain(network: string, keys: Iterable<AttachmentKey>): readonly AttachmentKey[];
  /**
   * Makes the store agree with who was found alive: gives back what nobody alive has, but for owners that another
   * process is just connecting, and writes down what is missing. Returns whose addresses were given back.
   */
  reconcile(holders: readonly AddressHolder[]): readonly AttachmentKey[];
  allocations(): readonly Allocation[];
  /** Throws when an address could not be given out now, without giving one. */
  probe(): void;
  close(): void;
}

/** @throws PodnetError for a CIDR that is malformed, too small, or of a family that has one already */
export function createIpam({ podCidrs, databasePath, nodeName, bootId = readBootId() }: IpamOptions): Ipam {
  const ranges = addressRanges(podCidrs, nodeName);
  const { database, damaged } = openStore(databasePath);
  try {
    return new SqliteIpam(database, { ranges, nodeName, damaged, bootId, path: databasePath });
  } catch (error) {
    database.close();
    throw storeError(error, databasePath);
  }
}

function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
