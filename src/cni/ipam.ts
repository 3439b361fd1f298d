/**
 * Addresses for sandboxes, kept in one SQLite file so that a restart forgets none. Given out in turn: an address
 * that was released comes again only after all others were given, so that late packets find nobody.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { PodnetError } from '../model/errors.ts';
import {
  type Cidr,
  addToIp,
  cidrContains,
  cidrSize,
  formatCidr,
  formatIp,
  parseCidr,
  parseIp,
} from '../model/ip.ts';

export interface IpamOptions {
  /** One per IP family; the order is that of a sandbox's addresses. */
  readonly podCidrs: readonly string[];
  /** `:memory:` forgets all at the end. */
  readonly databasePath: string;
  /** For error messages. */
  readonly nodeName?: string;
}

/** Who has an address, for people who look into the file. */
export interface AddressOwner {
  readonly containerId: string;
  readonly namespace: string;
  readonly name: string;
}

export interface Allocation extends AddressOwner {
  readonly address: string;
}

export interface Ipam {
  /** One address of each CIDR. The same ones again for a container that has them. @throws PodnetError when full */
  allocate(owner: AddressOwner): readonly string[];
  /** What the container has; none if it was never given any. */
  addressesOf(containerId: string): readonly string[];
  /** Returns the addresses that became free; none for a container that had none. */
  release(containerId: string): readonly string[];
  /** Releases what belongs to containers that are not in the list, and returns those containers. */
  reconcile(containerIds: Iterable<string>): readonly string[];
  allocations(): readonly Allocation[];
  close(): void;
}

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS addresses (
    address TEXT PRIMARY KEY,
    container_id TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS addresses_container ON addresses (container_id);
  CREATE TABLE IF NOT EXISTS cursors (cidr TEXT PRIMARY KEY, last TEXT NOT NULL) STRICT;
`;

/** @throws PodnetError for a CIDR that is malformed, too small, or of a family that has one already */
export function createIpam({ podCidrs, databasePath, nodeName }: IpamOptions): Ipam {
  const ranges = podCidrs.map((text) => readRange(text, nodeName));
  const families = new Set(ranges.map(({ cidr }) => cidr.family));
  if (ranges.length === 0 || families.size < ranges.length) {
    throw new PodnetError('A node needs one pod CIDR for each IP family', {
      code: 'bad-pod-cidr',
      where: `${nodeName ? `node ${nodeName} ` : ''}spec.podCIDRs: ${podCidrs.join(', ') || 'none'}`,
      fix: NODE_CIDR_FIX,
    });
  }
  return withDatabase(databasePath, (database) => new SqliteIpam(database, ranges, nodeName));
}

const NODE_CIDR_FIX =
  'Check the controller that gives nodes their pod CIDRs; a node’s cannot be changed once it is set.';

/** The usable part of a CIDR. Its first two addresses (network, a bridge's gateway) and its last stay free. */
interface Range {
  readonly cidr: Cidr;
  readonly first: bigint;
  readonly last: bigint;
}

function readRange(text: string, nodeName: string | undefined): Range {
  const where = `${nodeName ? `node ${nodeName} ` : ''}spec.podCIDRs: ${text}`;
  let cidr: Cidr;
  try {
    cidr = parseCidr(text);
  } catch (cause) {
    throw new PodnetError(`${text} is no CIDR`, { code: 'bad-pod-cidr', where, fix: NODE_CIDR_FIX, cause });
  }
  const size = cidrSize(cidr);
  if (size < 4n) {
    throw new PodnetError(`The pod CIDR ${text} has no room for pods`, {
      code: 'pod-cidr-too-small',
      where,
      fix: 'Give nodes a /30 at the very least; /24 is usual.',
    });
  }
  return { cidr, first: cidr.value + 2n, last: cidr.value + size - 2n };
}

/** Opens the file for `use`, and closes it again when that cannot make sense of it. */
function withDatabase<T>(path: string, use: (database: DatabaseSync) => T): T {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec(SCHEMA);
    return use(database);
  } catch (cause) {
    database?.close();
    throw new PodnetError('Cannot open the file that keeps the pods’ addresses', {
      code: 'ipam-unreadable',
      where: path,
      fix: 'Check that the directory exists, is writable and has room. If the file is damaged, stop the pods of this node and delete it.',
      cause,
    });
  }
}

class SqliteIpam implements Ipam {
  readonly #database: DatabaseSync;
  readonly #ranges: readonly Range[];
  readonly #nodeName: string | undefined;
  readonly #used = new Set<string>();
  readonly #byContainer = new Map<string, string[]>();
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #moveCursor: StatementSync;
  readonly #cursors = new Map<Range, bigint>();

  constructor(database: DatabaseSync, ranges: readonly Range[], nodeName: string | undefined) {
    this.#database = database;
    this.#ranges = ranges;
    this.#nodeName = nodeName;
    this.#insert = database.prepare(
      'INSERT INTO addresses (address, container_id, namespace, name) VALUES (?, ?, ?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM addresses WHERE container_id = ?');
    this.#moveCursor = database.prepare(
      'INSERT INTO cursors (cidr, last) VALUES (?, ?) ON CONFLICT (cidr) DO UPDATE SET last = excluded.last',
    );
    this.#load();
  }

  #load(): void {
    for (const { address, containerId } of this.allocations()) this.#remember(containerId, address);
    const cursors = new Map(
      this.#database
        .prepare('SELECT cidr, last FROM cursors')
        .all()
        .map((row) => [String(row.cidr), String(row.last)]),
    );
    for (const range of this.#ranges) {
      const last = cursors.get(formatCidr(range.cidr));
      const ip = last === undefined ? undefined : parseIp(last);
      const known = ip !== undefined && cidrContains(range.cidr, ip);
      this.#cursors.set(range, known ? ip.value : range.first - 1n);
    }
  }

  #remember(containerId: string, address: string): void {
    this.#used.add(address);
    const addresses = this.#byContainer.get(containerId);
    if (addresses) addresses.push(address);
    else this.#byContainer.set(containerId, [address]);
  }

  allocate(owner: AddressOwner): readonly string[] {
    const { containerId, namespace, name } = owner;
    const known = this.#byContainer.get(containerId);
    if (known && this.#ranges.every((range) => known.some((address) => contains(range, address))))
      return [...known];
    // Addresses of an earlier pod CIDR are of no use any more.
    if (known) this.release(containerId);
    const chosen = this.#ranges.map((range) => ({ range, address: this.#next(range) }));
    this.#transaction(() => {
      for (const { range, address } of chosen) {
        this.#insert.run(address, containerId, namespace, name);
        this.#moveCursor.run(formatCidr(range.cidr), address);
      }
    });
    for (const { range, address } of chosen) {
      this.#cursors.set(range, parseIp(address).value);
      this.#remember(containerId, address);
    }
    return chosen.map(({ address }) => address);
  }

  #next(range: Range): string {
    const { cidr, first, last } = range;
    const start = this.#cursors.get(range) ?? first - 1n;
    const count = last - first + 1n;
    // More tries than addresses in use would only meet free ones.
    const tries = count < BigInt(this.#used.size) + 1n ? count : BigInt(this.#used.size) + 1n;
    for (let step = 1n; step <= tries; step++) {
      const offset = (start - first + step + count) % count;
      const address = formatIp(addToIp({ family: cidr.family, value: first }, offset));
      if (!this.#used.has(address)) return address;
    }
    throw new PodnetError(`No address is left in ${formatCidr(cidr)}: all ${count} are in use`, {
      code: 'pod-cidr-full',
      where: `${this.#nodeName ? `node ${this.#nodeName} ` : ''}spec.podCIDRs: ${formatCidr(cidr)}`,
      fix: 'Delete pods of this node, add a node, or give the nodes larger pod CIDRs.',
    });
  }

  addressesOf(containerId: string): readonly string[] {
    return this.#byContainer.get(containerId) ?? [];
  }

  release(containerId: string): readonly string[] {
    const addresses = this.#byContainer.get(containerId);
    if (!addresses) return [];
    this.#transaction(() => this.#delete.run(containerId));
    this.#byContainer.delete(containerId);
    for (const address of addresses) this.#used.delete(address);
    return addresses;
  }

  reconcile(containerIds: Iterable<string>): readonly string[] {
    const alive = new Set(containerIds);
    const gone = [...this.#byContainer.keys()].filter((id) => !alive.has(id));
    for (const id of gone) this.release(id);
    return gone;
  }

  allocations(): readonly Allocation[] {
    const rows = this.#database
      .prepare('SELECT address, container_id, namespace, name FROM addresses ORDER BY rowid')
      .all();
    return rows.map((row) => ({
      address: String(row.address),
      containerId: String(row.container_id),
      namespace: String(row.namespace),
      name: String(row.name),
    }));
  }

  #transaction(run: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      run();
      this.#database.exec('COMMIT');
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw new PodnetError('Cannot write down the pods’ addresses', {
        code: 'ipam-unwritable',
        where: this.#database.location() ?? 'memory',
        fix: 'Check that the disk has room and the file is writable.',
        cause,
      });
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

function contains({ cidr }: Range, address: string): boolean {
  return cidrContains(cidr, parseIp(address));
}
