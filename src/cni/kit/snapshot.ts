/** What stands in a network namespace and in the plugins' files, as lines that can be compared. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Netns } from '../../kernel/netns.ts';
import { findProgram, runProgram } from '../../kernel/process.ts';
import { openRtnl } from '../../kernel/rtnl/rtnl.ts';

export type Snapshot = readonly string[];

/** The kernel makes and removes these by itself, some of them late. */
const ofTheKernel = (address: string): boolean => /^(fe80|ff|127\.|::1$)/i.test(address);

/** Links, addresses, routes of the main table and rules of nftables. */
export async function networkSnapshot(netns: Netns): Promise<Snapshot> {
  const rtnl = openRtnl({ netns });
  try {
    const links = rtnl.links();
    const nameOf = (index: number | undefined): string =>
      links.find((link) => link.index === index)?.name ?? 'none';
    return [
      // Who makes a container's network may bring up lo as well.
      ...links
        .filter(({ loopback }) => !loopback)
        .map(
          ({ name, kind, up, mtuBytes }) => `link ${name} ${kind ?? ''} ${up ? 'up' : 'down'} ${mtuBytes}`,
        ),
      ...rtnl
        .addresses()
        .filter(({ address }) => !ofTheKernel(address))
        .map(({ link, address, prefixLength }) => `address ${address}/${prefixLength} on ${nameOf(link)}`),
      ...rtnl
        .routes()
        .filter(({ dst }) => !ofTheKernel(dst))
        .map(({ dst, gateway, link }) => `route ${dst} by ${gateway ?? 'none'} on ${nameOf(link)}`),
      ...(await firewallLines(netns)),
    ].sort();
  } finally {
    rtnl.close();
  }
}

async function firewallLines(netns: Netns): Promise<string[]> {
  if (findProgram('nft') === undefined) return [];
  const { stdout } = await runProgram('nft', ['-s', 'list', 'ruleset'], { netns });
  let place = '';
  return stdout.split('\n').flatMap((line) => {
    const text = line.trim();
    if (/^(table|chain|set|map) /.test(text)) place = text.replace(' {', '');
    return text === '' || text === '}' ? [] : [`nft ${place}: ${text}`];
  });
}

/** Every file below the directories, but for those that only remember where to go on, and locks. */
export function filesSnapshot(directories: readonly string[]): Snapshot {
  return directories
    .flatMap((directory) => list(directory).map((name) => `file ${join(directory, name)}`))
    .filter((line) => !/\/(last_reserved_ip\.\w+|lock|[^/]*\.lock|[^/]*-(wal|shm|journal))$/.test(line))
    .sort();
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
  } catch {
    return [];
  }
}

export interface Difference {
  readonly appeared: readonly string[];
  readonly vanished: readonly string[];
}

export function difference(before: Snapshot, after: Snapshot): Difference {
  return {
    appeared: after.filter((line) => !before.includes(line)),
    vanished: before.filter((line) => !after.includes(line)),
  };
}

/** How long a plugin may take to clear away after it answered. */
const SETTLE_MS = 3000;

/** Takes snapshots until one equals `expected`, or time is up; resolves with what still differs. */
export async function settle(expected: Snapshot, take: () => Promise<Snapshot>): Promise<Difference> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const found = difference(expected, await take());
    if ((found.appeared.length === 0 && found.vanished.length === 0) || Date.now() > deadline) return found;
    await sleep(50);
  }
}

/** At most three of the lines that differ. */
export function describeDifference({ appeared, vanished }: Difference): string {
  const lines = [...appeared.map((line) => `+ ${line}`), ...vanished.map((line) => `- ${line}`)];
  const more = lines.length > 3 ? ` and ${lines.length - 3} more` : '';
  return `${lines.slice(0, 3).join('; ')}${more}`;
}
