/** The SQLite file behind the pods' addresses: opened, set aside when damaged, its errors in words for people. */
import { accessSync, constants, linkSync, statSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PodnetError } from '../model/errors.ts';

export interface OpenedStore {
  readonly database: DatabaseSync;
  /** Where the file went that could not be read. The store is empty then. */
  readonly damaged?: string;
}

/** How long a transaction waits for those of other processes. */
const BUSY_MS = 30_000;

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS addresses (
    address TEXT PRIMARY KEY,
    container_id TEXT NOT NULL,
    interface TEXT NOT NULL,
    network TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    process TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS addresses_container ON addresses (container_id, interface);
  CREATE TABLE IF NOT EXISTS cursors (cidr TEXT PRIMARY KEY, last TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS boot (id TEXT PRIMARY KEY) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * Opens or makes the file; any number of processes may have it open. A file that is no database any more is set
 * aside under a name of its own, beside, and an empty one takes its place.
 *
 * @throws PodnetError when the directory or the file cannot be used
 */
export function openStore(path: string): OpenedStore {
  try {
    return { database: openDatabase(path) };
  } catch (error) {
    if (!isDamage(error)) throw storeError(error, path);
  }
  try {
    const damaged = setAside(path);
    return { database: openDatabase(path), damaged };
  } catch (error) {
    throw storeError(error, path);
  }
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    const { journal_mode: mode } = database.prepare('PRAGMA journal_mode').get() ?? {};
    if (mode !== 'wal' && mode !== 'memory') enterWal(database);
    database.exec('PRAGMA synchronous = NORMAL');
    const { user_version: version } = database.prepare('PRAGMA user_version').get() ?? {};
    if (version === SCHEMA_VERSION) checkPages(database);
    else createSchema(database, Number(version));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The change needs the file alone, and SQLite does not wait for that by itself. */
function enterWal(database: DatabaseSync): void {
  const deadline = performance.now() + BUSY_MS;
  for (;;) {
    try {
      database.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (resultCode(error) !== SQLITE.BUSY || performance.now() > deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

function createSchema(database: DatabaseSync, version: number): void {
  if (version !== 0) throw new UnknownSchema(version);
  database.exec('BEGIN IMMEDIATE');
  database.exec(SCHEMA);
  database.exec('COMMIT');
}

function checkPages(database: DatabaseSync): void {
  const [{ quick_check: verdict } = {}] = database.prepare('PRAGMA quick_check(1)').all();
  if (verdict !== 'ok') throw new DamagedPages(String(verdict));
}

class DamagedPages extends Error {}

class UnknownSchema extends Error {
  constructor(version: number) {
    super(`Its version is ${version}`);
  }
}

/** https://www.sqlite.org/rescode.html, primary codes */
const SQLITE = { BUSY: 5, READONLY: 8, IOERR: 10, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const;

/** 0 for errors that are not SQLite's. */
function resultCode(error: unknown): number {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return 0;
  return error.errcode & 0xff;
}

function isDamage(error: unknown): boolean {
  const code = resultCode(error);
  return error instanceof DamagedPages || code === SQLITE.CORRUPT || code === SQLITE.NOTADB;
}

/**
 * Moves a damaged file out of the way. Processes that found the same damage at the same time agree by the file's
 * inode: the first to link it under its new name is the one to remove the old.
 */
function setAside(path: string): string {
  const { ino } = statSync(path, { bigint: true });
  const aside = `${path}.damaged-${ino}`;
  try {
    linkSync(path, aside);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    // Somebody is about to remove it, or was killed before they could.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
  if (statSync(path, { bigint: true, throwIfNoEntry: false })?.ino !== ino) return aside;
  for (const suffix of ['-wal', '-shm', '']) {
    try {
      unlinkSync(`${path}${suffix}`);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return aside;
}

/** SQLite's code, or what stands behind it. */
function kindOf(cause: unknown, path: string): number {
  const code = resultCode(cause);
  if (isDamage(cause)) return SQLITE.CORRUPT;
  return code === SQLITE.CANTOPEN && isOnReadOnlyDisk(path) ? SQLITE.READONLY : code;
}

function isOnReadOnlyDisk(path: string): boolean {
  try {
    accessSync(dirname(path), constants.W_OK);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EROFS';
  }
}

/** Whatever SQLite or the file system said, with what to do about it. */
export function storeError(cause: unknown, path: string): PodnetError {
  if (cause instanceof PodnetError) return cause;
  const message = 'Cannot use the file that keeps the pods’ addresses';
  const options = { where: path, cause };
  if (cause instanceof UnknownSchema) {
    return new PodnetError(`${message}: another version of podnet wrote it`, {
      ...options,
      code: 'ipam-version',
      fix: `${cause.message}, this podnet knows ${SCHEMA_VERSION}. Use the newer podnet, or stop this node’s pods and delete the file.`,
    });
  }
  switch (kindOf(cause, path)) {
    case SQLITE.READONLY:
      return new PodnetError(`${message}: it is read-only`, {
        ...options,
        code: 'ipam-read-only',
        fix: 'Mount its file system writable (see dmesg for why it is not), and check who owns the file.',
      });
    case SQLITE.FULL:
      return new PodnetError(`${message}: the disk is full`, {
        ...options,
        code: 'ipam-disk-full',
        fix: 'Make room on its file system: df -h shows it.',
      });
    case SQLITE.BUSY:
      return new PodnetError(`${message}: another process keeps it locked`, {
        ...options,
        code: 'ipam-busy',
        fix: 'Find it with fuser and end it.',
      });
    case SQLITE.CORRUPT:
      return new PodnetError(`${message}: it is damaged`, {
        ...options,
        code: 'ipam-damaged',
        fix: 'Start podnet on this node again: it sets the file aside and reads the addresses from the pods’ links.',
      });
    default:
      return new PodnetError(message, {
        ...options,
        code: 'ipam-unreadable',
        fix: 'Check that its directory exists, belongs to podnet and is writable.',
      });
  }
}
