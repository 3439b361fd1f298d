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
 */
import { closeSync, existsSync, linkSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { renameSync, unlinkSync, writeFileSync } from 'node:fs';
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
}

/**
 * Runs `use` while the lock is held.
 *
 * @throws CniError: input/output for a directory that cannot be used, try again later when somebody keeps the lock
 */
export async function withStore<T>(directory: string, use: (store: LockedStore) => T): Promise<T> {
  try {
    makeDirectory(directory);
    return await withFileLock(join(directory, 'lock'), () => use(new DirectoryStore(directory)));
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

class DirectoryStore implements LockedStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    removeIfThere(join(directory, UNFINISHED));
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  #addresses(): readonly { name: string; ip: Ip }[] {
    return readdirSync(this.#directory).flatMap((name) => {
      const ip = tryParseIp(name);
      return ip ? [{ name, ip }] : [];
    });
  }

  reserved(): ReadonlySet<string> {
    return new Set(this.#addresses().map(({ ip }) => formatIp(ip)));
  }

  reservations(): readonly Reservation[] {
    return this.#addresses().map(({ name, ip }) => {
      const [containerId = '', ifName = ''] = readFileSync(this.#path(name), 'utf8').trim().split(LINE_END);
      return { ip, containerId, ifName };
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
    const unfinished = this.#write(`${containerId}${LINE_END}${ifName}`);
    try {
      linkSync(unfinished, this.#path(formatIp(ip)));
    } finally {
      unlinkSync(unfinished);
    }
    renameSync(this.#write(formatIp(ip)), this.#path(lastReserved(setIndex)));
  }

  #write(content: string): string {
    const path = this.#path(UNFINISHED);
    const fd = openSync(path, 'wx', 0o600);
    try {
      writeFileSync(fd, content);
    } catch (error) {
      removeIfThere(path);
      throw error;
    } finally {
      closeSync(fd);
    }
    return path;
  }

  release(ip: Ip): void {
    removeIfThere(this.#path(formatIp(ip)));
  }
}

function lastReserved(setIndex: number): string {
  return `last_reserved_ip.${setIndex}`;
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
