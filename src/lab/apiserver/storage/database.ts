import { DatabaseSync, type StatementSync } from 'node:sqlite';

import type { Change, ChangeType, StoredObject } from './store.ts';

const SCHEMA = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = OFF;
  PRAGMA wal_autocheckpoint = 1000;
  CREATE TABLE IF NOT EXISTS versions (
    resource_version INTEGER PRIMARY KEY, type TEXT NOT NULL,
    storage TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    json TEXT NOT NULL, previous TEXT
  );
  CREATE TABLE IF NOT EXISTS objects (
    storage TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, resource_version INTEGER NOT NULL,
    PRIMARY KEY (storage, namespace, name)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS compaction (id INTEGER PRIMARY KEY, resource_version INTEGER NOT NULL);
`;

/** One write, as it is on disk. */
export interface VersionRow {
  resource_version: number;
  type: ChangeType;
  storage: string;
  namespace: string;
  name: string;
  json: string;
  previous: string | null;
}

export function fromRow(row: VersionRow): Change {
  const { resource_version: resourceVersion, type, storage, namespace, name } = row;
  const object = JSON.parse(row.json) as StoredObject;
  const before = row.previous === null ? object : (JSON.parse(row.previous) as StoredObject);
  return {
    resourceVersion,
    type,
    storage,
    namespace,
    name,
    object,
    previous: type === 'ADDED' ? undefined : before,
  };
}

const STATEMENTS = {
  allObjects: 'SELECT versions.* FROM objects JOIN versions USING (resource_version)',
  bounds: `SELECT (SELECT max(resource_version) FROM versions) AS latest,
    (SELECT resource_version FROM compaction WHERE id = 1) AS compacted`,
  begin: 'BEGIN',
  commit: 'COMMIT',
  putObject: 'INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)',
  deleteObject: 'DELETE FROM objects WHERE storage = ? AND namespace = ? AND name = ?',
  addVersion: 'INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?)',
  changesAfter: 'SELECT * FROM versions WHERE resource_version > ? AND storage = ? ORDER BY resource_version',
  compact: `DELETE FROM versions WHERE resource_version <= ? AND NOT EXISTS (
    SELECT 1 FROM objects WHERE objects.storage = versions.storage AND objects.namespace = versions.namespace
      AND objects.name = versions.name AND objects.resource_version = versions.resource_version)`,
  setCompacted: 'INSERT OR REPLACE INTO compaction VALUES (1, ?)',
} as const;

export type Statements = Record<keyof typeof STATEMENTS, StatementSync>;

/** The file with its tables, and every statement the store uses. */
export function openDatabase(path: string): { database: DatabaseSync; statements: Statements } {
  const database = new DatabaseSync(path);
  database.exec(SCHEMA);
  const entries = Object.entries(STATEMENTS).map(([name, sql]) => [name, database.prepare(sql)]);
  return { database, statements: Object.fromEntries(entries) as Statements };
}
