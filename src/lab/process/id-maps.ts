import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/** One line of /proc/PID/uid_map: ids inside, ids outside, how many. user_namespaces(7). */
type Extent = readonly [inside: number, outside: number, count: number];

const lines = (extents: readonly Extent[]): string =>
  `${extents.map((extent) => extent.join(' ')).join('\n')}\n`;

/** The ids /etc/subuid or /etc/subgid lends this user, the first range only. */
function lentRange(file: string, user: string, id: number): Extent | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  for (const line of text.split('\n')) {
    const [owner, first, count] = line.split(':');
    if (owner === user || owner === String(id)) return [1, Number(first), Math.min(Number(count), 65_535)];
  }
  return undefined;
}

/** As many of this process's own ids as it has, each onto itself: what root maps. */
function ownExtent(file: string): Extent {
  const [inside = 0, , count = 1] = readFileSync(file, 'utf8').trim().split(/\s+/).map(Number);
  return [inside, inside, Math.min(count, 65_536)];
}

function mapLent(pid: number, uid: number, gid: number, user: string): boolean {
  const uids = lentRange('/etc/subuid', user, uid);
  const gids = lentRange('/etc/subgid', user, uid);
  if (uids === undefined || gids === undefined) return false;
  const write = (program: string, own: number, lent: Extent): void => {
    execFileSync(program, [String(pid), '0', String(own), '1', ...lent.map(String)], { stdio: 'ignore' });
  };
  try {
    write('newuidmap', uid, uids);
    write('newgidmap', gid, gids);
    return true;
  } catch {
    // Not installed, or refused. Either way one id of our own still works, unless the first half is written.
    return readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim() !== '';
  }
}

/**
 * Gives the new user namespace of `pid` its ids. Root maps its own onto themselves; a user with ids in /etc/subuid
 * (and `newuidmap`) becomes root with those; any other user becomes root and nobody else.
 */
export function writeIdMaps(
  pid: number,
  { uid, gid, user }: { uid: number; gid: number; user: string },
): void {
  if (uid === 0) {
    writeFileSync(`/proc/${pid}/uid_map`, lines([ownExtent('/proc/self/uid_map')]));
    writeFileSync(`/proc/${pid}/gid_map`, lines([ownExtent('/proc/self/gid_map')]));
    return;
  }
  if (mapLent(pid, uid, gid, user)) return;
  writeFileSync(`/proc/${pid}/setgroups`, 'deny');
  writeFileSync(`/proc/${pid}/uid_map`, lines([[0, uid, 1]]));
  writeFileSync(`/proc/${pid}/gid_map`, lines([[0, gid, 1]]));
}
