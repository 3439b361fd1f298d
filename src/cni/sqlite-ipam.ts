import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { PodnetError } from '../model/errors.ts';
import { addToIp, cidrContains, formatIp, parseIp, tryParseIp } from '../model/ip.ts';
import type { AddressHolder, AddressOwner, Allocation, AttachmentKey, Ipam } from './ipam.ts';
import { type AddressRange, isUsable, rangeContains, whereOf } from './ipam-range.ts';
import { storeError } from './ipam-store.ts';
import { isProcessAlive, ownProcess } from './process-identity.ts';

export interface IpamSetting {
  readonly ranges: readonly AddressRange[];
  readonly nodeName: string | undefined;
  readonly damaged: string | undefined;
  readonly bootId: string;
  readonly path: string;
}

function keyOf({ containerId, interfaceName }: AttachmentKey): string {
  return `${containerId} ${interfaceName}`;
}

/** See `Ipam`. What the file says is kept in memory and read again when another process wrote to it. */
export class SqliteIpam implements Ipam {
  readonly damaged: string | undefined;
  readonly #database: DatabaseSync;
  readonly #setting: IpamSetting;
  readonly #statements;
  /** What the file says, as of `#version`. */
  readonly #allocations = new Map<string, Row>();
  readonly #byOwner = new Map<string, string[]>();
  readonly #cursors = new Map<AddressRange, bigint>();
  #version: unknown;

  constructor(database: DatabaseSync, setting: IpamSetting) {
    this.#database = database;
    this.#setting = setting;
    this.damaged = setting.damaged;
    this.#statements = prepare(database);
    this.#forgetEarlierBoot();
    this.#load();
  }

  #forgetEarlierBoot(): void {
    const { bootId } = this.#setting;
    const known = (): boolean => this.#statements.bootId.get()?.id === bootId;
    if (known()) return;
    this.#transaction(() => {
      if (known()) return; // another process was faster
      this.#database.exec('DELETE FROM addresses; DELETE FROM boot');
      this.#statements.setBootId.run(bootId);
    });
  }

  /** Reads the file again if another process wrote to it. Inside a transaction nobody can. */
  #refresh(): void {
    const { data_version: version } = this.#statements.dataVersion.get() ?? {};
    if (version === this.#version) return;
    this.#load();
    this.#version = version;
  }

  #load(): void {
    this.#allocations.clear();
    this.#byOwner.clear();
    for (const row of this.#statements.list.all()) this.#remember(readRow(row));
    const cursors = new Map(
      this.#statements.cursors.all().map((row) => [String(row.cidr), String(row.last)]),
    );
    for (const range of this.#setting.ranges) {
      const last = cursors.get(range.text);
      const ip = last === undefined ? undefined : tryParseIp(last);
      const known = ip !== undefined && cidrContains(range.cidr, ip);
      this.#cursors.set(range, known ? ip.value : range.first - 1n);
    }
  }

  #remember(row: Row): void {
    this.#allocations.set(row.address, row);
    const addresses = this.#byOwner.get(keyOf(row));
    if (addresses) addresses.push(row.address);
    else this.#byOwner.set(keyOf(row), [row.address]);
  }

  allocate(owner: AddressOwner, wanted: readonly string[] = []): readonly string[] {
    return this.#transaction(() => {
      const known = this.#byOwner.get(keyOf(owner));
      if (known && this.#fits(known, wanted)) return [...known];
      // Addresses of an earlier pod CIDR, or others than the wanted ones, are of no use any more.
      if (known) this.#forget(owner);
      const chosen = this.#setting.ranges.map((range) => this.#choose(range, wanted));
      this.#refuseStrangers(wanted);
      const addresses = chosen.map(({ address, range, inTurn }) => {
        this.#insert({ ...owner, address, process: ownProcess() });
        if (inTurn) this.#moveCursor(range, address);
        return address;
      });
      return addresses;
    });
  }

  #fits(known: readonly string[], wanted: readonly string[]): boolean {
    return (
      this.#setting.ranges.every((range) => known.some((address) => rangeContains(range, address))) &&
      wanted.every((address) => known.includes(formatIp(parseIp(address))))
    );
  }

  #choose(
    range: AddressRange,
    wanted: readonly string[],
  ): { range: AddressRange; address: string; inTurn: boolean } {
    const text = wanted.find((address) => rangeContains(range, address));
    if (text === undefined) return { range, address: this.#next(range), inTurn: true };
    const ip = parseIp(text);
    const address = formatIp(ip);
    const taken = this.#allocations.get(address);
    if (isUsable(range, ip) && !taken) return { range, address, inTurn: false };
    throw new PodnetError(
      taken
        ? `${address} is taken by ${taken.namespace}/${taken.name}`
        : `${address} is not given to pods: the first two addresses of ${range.text} and its last are kept`,
      {
        code: taken ? 'address-taken' : 'address-reserved',
        where: whereOf(range.text, this.#setting.nodeName),
        fix: 'Ask for another address, or for none.',
      },
    );
  }

  /** Wanted addresses that no range of this node has. */
  #refuseStrangers(wanted: readonly string[]): void {
    const { ranges, nodeName } = this.#setting;
    const stranger = wanted.find((address) => !ranges.some((range) => rangeContains(range, address)));
    if (stranger === undefined) return;
    throw new PodnetError(`${stranger} is no address of this node`, {
      code: 'address-outside-pod-cidr',
      where: whereOf(ranges.map(({ text }) => text).join(', '), nodeName),
      fix: 'Ask for an address of the node’s pod CIDR, or for none.',
    });
  }

  #next(range: AddressRange): string {
    const { cidr, first, last } = range;
    const start = this.#cursors.get(range) ?? first - 1n;
    const count = last - first + 1n;
    // More tries than addresses in use would only meet free ones.
    const used = BigInt(this.#allocations.size) + 1n;
    const tries = count < used ? count : used;
    for (let step = 1n; step <= tries; step++) {
      const offset = (start - first + step + count) % count;
      const address = formatIp(addToIp({ family: cidr.family, value: first }, offset));
      if (!this.#allocations.has(address)) return address;
    }
    throw new PodnetError(`No address is left in ${range.text}: all ${count} are in use`, {
      code: 'pod-cidr-full',
      where: whereOf(range.text, this.#setting.nodeName),
      fix: 'Delete pods of this node, add a node, or give the nodes larger pod CIDRs.',
    });
  }

  #insert(row: Row): void {
    const { address, containerId, interfaceName, network, namespace, name, process } = row;
    this.#statements.insert.run(address, containerId, interfaceName, network, namespace, name, process);
    this.#remember(row);
  }

  #moveCursor(range: AddressRange, address: string): void {
    this.#statements.moveCursor.run(range.text, address);
    this.#cursors.set(range, parseIp(address).value);
  }

  #forget(key: AttachmentKey): readonly string[] {
    const addresses = this.#byOwner.get(keyOf(key)) ?? [];
    this.#statements.delete.run(key.containerId, key.interfaceName);
    this.#byOwner.delete(keyOf(key));
    for (const address of addresses) this.#allocations.delete(address);
    return addresses;
  }

  addressesOf(key: AttachmentKey): readonly string[] {
    return this.#reading(() => this.#byOwner.get(keyOf(key)) ?? []);
  }

  release(key: AttachmentKey): readonly string[] {
    if (this.addressesOf(key).length === 0) return [];
    return this.#transaction(() => this.#forget(key));
  }

  retain(network: string, keys: Iterable<AttachmentKey>): readonly AttachmentKey[] {
    const kept = new Set(Array.from(keys, keyOf));
    return this.#transaction(() =>
      this.#forgetAll((row) => row.network === network && !kept.has(keyOf(row))),
    );
  }

  reconcile(holders: readonly AddressHolder[]): readonly AttachmentKey[] {
    const alive = new Set(holders.map(keyOf));
    return this.#transaction(() => {
      const gone = this.#forgetAll((row) => !alive.has(keyOf(row)) && !isBeingConnected(row));
      for (const holder of holders) this.#adopt(holder);
      return gone;
    });
  }

  #forgetAll(isGone: (row: Row) => boolean): AttachmentKey[] {
    const gone = new Map(
      [...this.#allocations.values()].filter(isGone).map(({ containerId, interfaceName }) => {
        const key = { containerId, interfaceName };
        return [keyOf(key), key] as const;
      }),
    );
    for (const key of gone.values()) this.#forget(key);
    return [...gone.values()];
  }

  /** Writes down what an owner has, if that is this node's to give and not somebody else's. */
  #adopt({ addresses, ...owner }: AddressHolder): void {
    for (const address of addresses) {
      const mine = this.#setting.ranges.some((range) => rangeContains(range, address));
      if (mine && !this.#allocations.has(address)) {
        this.#insert({ ...owner, address, process: ownProcess() });
      }
    }
  }

  allocations(): readonly Allocation[] {
    return this.#reading(() =>
      [...this.#allocations.values()].map((row) => {
        const { address, containerId, interfaceName, network, namespace, name } = row;
        return { address, containerId, interfaceName, network, namespace, name };
      }),
    );
  }

  probe(): void {
    this.#transaction(() => {
      for (const range of this.#setting.ranges) {
        // Writes what is there already, to learn whether writing works.
        const next = this.#next(range);
        const cursor = this.#cursors.get(range);
        const last = cursor === undefined ? next : formatIp({ family: range.cidr.family, value: cursor });
        this.#statements.moveCursor.run(range.text, last);
      }
    });
  }

  #reading<T>(run: () => T): T {
    try {
      this.#refresh();
      return run();
    } catch (error) {
      throw storeError(error, this.#setting.path);
    }
  }

  /** All or nothing, in the file and in memory. */
  #transaction<T>(run: () => T): T {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      this.#refresh();
      const result = run();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
      this.#version = undefined;
      throw storeError(error, this.#setting.path);
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

interface Row extends Allocation {
  /** The process that connects the owner, as `ownProcess` names it. */
  readonly process: string;
}

function readRow(row: Record<string, unknown>): Row {
  return {
    address: String(row.address),
    containerId: String(row.container_id),
    interfaceName: String(row.interface),
    network: String(row.network),
    namespace: String(row.namespace),
    name: String(row.name),
    process: String(row.process),
  };
}

/** Another process has given the address out, and may be about to make the link. */
function isBeingConnected({ process }: Row): boolean {
  return process !== ownProcess() && isProcessAlive(process);
}

function prepare(
  database: DatabaseSync,
): Record<
  'list' | 'cursors' | 'insert' | 'delete' | 'moveCursor' | 'dataVersion' | 'bootId' | 'setBootId',
  StatementSync
> {
  return {
    list: database.prepare('SELECT * FROM addresses ORDER BY rowid'),
    cursors: database.prepare('SELECT cidr, last FROM cursors'),
    insert: database.prepare(
      'INSERT INTO addresses (address, container_id, interface, network, namespace, name, process) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    delete: database.prepare('DELETE FROM addresses WHERE container_id = ? AND interface = ?'),
    moveCursor: database.prepare(
      'INSERT INTO cursors (cidr, last) VALUES (?, ?) ON CONFLICT (cidr) DO UPDATE SET last = excluded.last',
    ),
    dataVersion: database.prepare('PRAGMA data_version'),
    bootId: database.prepare('SELECT id FROM boot'),
    setBootId: database.prepare('INSERT INTO boot (id) VALUES (?)'),
  };
}
