/**
 * The directory in which host-local keeps the addresses of one network, in the layout of containernetworking's plugin
 * of the same name, so that both can work on one directory at a time:
 *
 *     10.1.2.5            the container's id, CR LF, the interface's name
 *     last_reserved_ip.0  the address given last of the range set 0
 *     lock                flock(2) is held while anything is read or changed
 *
 * An address's file gets its name when its content is complete. What a process that was killed leaves behind is
 * therefore either nothing or an address with its owner, which DEL and GC take back.
 *
 * A process that goes on remembers the owners it has read, as long as nobody else changes the directory.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { withFileLock } from '../../../kernel/file-lock.ts';
import { PodnetError, errorMessage } from '../../../model/errors.ts';
import { type Ip, formatIp, tryParseIp } from '../../../model/ip.ts';
import type { Attachment } from '../../spec/config.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';

export interface Reservation {
  readonly ip: Ip;
  readonly containerId: string;
  /** Empty in files that older versions of containernetworking's plugin wrote. */
  readonly ifName: string;
}

/** The directory while its lock is held. */
export interface LockedStore {
  /** Canonical text of every reserved address. */
  reserved(): ReadonlySet<string>;
  reservations(): readonly Reservation[];
  last(setIndex: number): Ip | undefined;
  /** Reserves the address and remembers it as the set's last. */
  reserve(ip: Ip, owner: Attachment & { readonly setIndex: number }): void;
  release(ip: Ip): void;
  /** Throws when nothing can be reserved. */
  tryWrite(): void;
  /** Removes what a process that was killed left. */
  tidy(): void;
}

/**
 * Runs `use` while the lock is held.
 *
 * @throws CniError: input/output for a directory that cannot be used, try again later when somebody keeps the lock
 */
export async function withStore<T>(directory: string, use: (store: LockedStore) => T): Promise<T> {
  try {
    makeDirectory(directory);
    return await withFileLock(join(directory, 'lock'), () => {
      const store = new DirectoryStore(directory);
      const result = use(store);
      store.finish();
      return result;
    });
  } catch (error) {
    if (error instanceof CniError) throw error;
    if (error instanceof PodnetError && error.code === 'file-locked')
      throw new CniError(`${error.message}: ${error.where}`, {
        code: cniErrorCodes.tryAgainLater,
        details: error.fix,
        cause: error,
      });
    throw new CniError(`Cannot keep the network's addresses in ${directory}: ${errorMessage(error)}`, {
      code: cniErrorCodes.io,
      details: 'The directory of ipam.dataDir must be writable and have room.',
      cause: error,
    });
  }
}

/** Not `recursive`, which never ends where the kernel makes no directories, as in /proc. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  try {
    mkdirSync(path, 0o755);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
  }
}

const LINE_END = '\r\n';
/** Where a file stands until it is complete. The lock makes one enough. */
const UNFINISHED = '.unfinished';

/** The owners of a directory's addresses by the names of their files, and when the directory changed last. */
interface KnownOwners {
  readonly changedAt: bigint;
  readonly reservations: Map<string, Reservation>;
}

const known = new Map<string, KnownOwners>();

class DirectoryStore implements LockedStore {
  readonly #directory: string;
  readonly #known: Map<string, Reservation>;

  constructor(directory: string) {
    this.#directory = directory;
    const earlier = known.get(directory);
    const isCurrent = earlier?.changedAt === changedAt(directory);
    this.#known = isCurrent ? earlier.reservations : new Map();
  }

  /** Remembers what was learnt, for the next one. */
  finish(): void {
    const directory = this.#directory;
    known.set(directory, { changedAt: changedAt(directory), reservations: this.#known });
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  reserved(): ReadonlySet<string> {
    return new Set(this.#names().map(({ ip }) => formatIp(ip)));
  }

  #names(): readonly { readonly name: string; readonly ip: Ip }[] {
    return readdirSync(this.#directory).flatMap((name) => {
      const ip = tryParseIp(name);
      return ip ? [{ name, ip }] : [];
    });
  }

  reservations(): readonly Reservation[] {
    return this.#names().map(({ name, ip }) => {
      const earlier = this.#known.get(name);
      if (earlier) return earlier;
      const [containerId = '', ifName = ''] = readFileSync(this.#path(name), 'utf8').trim().split(LINE_END);
      const reservation = { ip, containerId, ifName };
      this.#known.set(name, reservation);
      return reservation;
    });
  }

  last(setIndex: number): Ip | undefined {
    try {
      return tryParseIp(readFileSync(this.#path(lastReserved(setIndex)), 'utf8').trim());
    } catch (error) {
      if (isCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  reserve(ip: Ip, { containerId, ifName, setIndex }: Attachment & { readonly setIndex: number }): void {
    const name = formatIp(ip);
    this.#write(name, `${containerId}${LINE_END}${ifName}`);
    this.#known.set(name, { ip, containerId, ifName });
    this.#setLast(setIndex, name);
  }

  /**
   * No more than a hint. It is overwritten in place, for ext4 writes a file that was emptied or replaced to the disk at
   * once, which takes milliseconds (auto_da_alloc in ext4(5)).
   */
  #setLast(setIndex: number, name: string): void {
    const fd = openSync(this.#path(lastReserved(setIndex)), constants.O_WRONLY | constants.O_CREAT, 0o600);
    try {
      const written = writeSync(fd, name, 0);
      if (fstatSync(fd).size > written) ftruncateSync(fd, written);
    } finally {
      closeSync(fd);
    }
  }

  #write(name: string, content: string): void {
    writeFileSync(this.#path(UNFINISHED), content, { mode: 0o600 });
    renameSync(this.#path(UNFINISHED), this.#path(name));
  }

  release(ip: Ip): void {
    const name = formatIp(ip);
    this.#known.delete(name);
    this.#remove(name);
  }

  tryWrite(): void {
    writeFileSync(this.#path(UNFINISHED), 'content', { mode: 0o600 });
    this.tidy();
  }

  tidy(): void {
    this.#remove(UNFINISHED);
  }

  #remove(name: string): void {
    try {
      unlinkSync(this.#path(name));
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
    }
  }
}

function changedAt(directory: string): bigint {
  return statSync(directory, { bigint: true }).mtimeNs;
}

function lastReserved(setIndex: number): string {
  return `last_reserved_ip.${setIndex}`;
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
