import { spawnSync } from 'node:child_process';
import { PodnetError } from '../../model/errors.ts';
import type { IpFamily } from '../../model/ip.ts';
import { type Netns, withNetns } from '../netns.ts';
import { chain, table } from '../nftables/objects.ts';
import { destroy } from '../nftables/commands.ts';
import { type Nftables, openNftables } from '../nftables/nftables.ts';
import { findProgram } from '../process.ts';
import { type RuleText, type TableText, checkChainName, parseSaved } from './rule-text.ts';

/** The tables podnet has rules in. */
export type IptablesTable = 'filter' | 'nat';

/** What is to change in one table, and nothing else of it. */
export interface TableEdits {
  readonly table: IptablesTable;
  /** Made where they are missing, emptied, and filled with these rules. */
  readonly chains: ReadonlyMap<string, readonly RuleText[]>;
  /** Emptied and deleted. */
  readonly deleted: readonly string[];
  /** Rules of the built-in chains: put first, or taken out. */
  readonly jumps: readonly Jump[];
}

export interface Jump {
  readonly verb: 'insert' | 'delete';
  /** `PREROUTING`, `FORWARD` … */
  readonly chain: string;
  readonly rule: RuleText;
}

/** The door to iptables in one network namespace, through its own programs. */
export interface Iptables {
  /** Every table that exists, in full. */
  tables(family: IpFamily): ReadonlyMap<string, TableText>;
  /** Carries out the edits: those of one table all at once or not at all. @throws PodnetError `iptables-refused` */
  edit(family: IpFamily, edits: readonly TableEdits[]): void;
  /** Removes the two tables where they have become empty, so that nothing tells of a past use. */
  removeEmptyTables(family: IpFamily): void;
  /** Unchanged means that no rule was changed by anybody; undefined where the kernel does not count. */
  generation(): number | undefined;
  close(): void;
}

/** `iptables-restore` in words: exported to be printed and timed. */
export function restoreScript(edits: readonly TableEdits[]): string {
  const lines: string[] = [];
  for (const { table: name, chains, deleted, jumps } of edits) {
    if (chains.size + deleted.length + jumps.length === 0) continue;
    lines.push(`*${name}`);
    // A declared chain is made or emptied, its packet counters with it.
    for (const of of [...chains.keys(), ...deleted]) lines.push(`:${checkChainName(of)} - [0:0]`);
    for (const { verb, chain: of, rule } of jumps)
      lines.push(`${verb === 'insert' ? '-I' : '-D'} ${checkChainName(of)} ${rule}`);
    for (const [of, rules] of chains) for (const rule of rules) lines.push(`-A ${of} ${rule}`);
    for (const of of deleted) lines.push(`-X ${of}`);
    lines.push('COMMIT');
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/**
 * Opens the door in `netns`, the calling thread's own unless told.
 * @throws PodnetError `program-missing` when iptables is not installed
 */
export function openIptables(options: { readonly netns?: Netns } = {}): Iptables {
  const programs = { 4: programPaths('iptables'), 6: programPaths('ip6tables') };
  const version = spawnSync(programs[4].restore, ['--version'], { encoding: 'utf8' }).stdout;
  const nftables = /nf_tables/u.test(version) ? openNftables(options) : undefined;
  return new ProgramIptables(programs, { ...options, nftables });
}

interface ProgramPaths {
  readonly save: string;
  readonly restore: string;
}

function programPaths(name: 'iptables' | 'ip6tables'): ProgramPaths {
  const [save, restore] = [findProgram(`${name}-save`), findProgram(`${name}-restore`)];
  if (save !== undefined && restore !== undefined) return { save, restore };
  throw new PodnetError(`The program ${name}-${save === undefined ? 'save' : 'restore'} is not installed`, {
    code: 'program-missing',
    where: name,
    fix: 'Install it: apt-get install iptables',
  });
}

const MAX_OUTPUT_BYTES = 1 << 30;
/** How long to wait for the lock that iptables-legacy takes. */
const LOCK_SECONDS = '5';

class ProgramIptables implements Iptables {
  readonly #programs: Readonly<Record<IpFamily, ProgramPaths>>;
  readonly #netns: Netns | undefined;
  readonly #nftables: Nftables | undefined;

  constructor(
    programs: Readonly<Record<IpFamily, ProgramPaths>>,
    { netns, nftables }: { readonly netns?: Netns; readonly nftables: Nftables | undefined },
  ) {
    this.#programs = programs;
    this.#netns = netns;
    this.#nftables = nftables;
  }

  tables(family: IpFamily): ReadonlyMap<string, TableText> {
    return parseSaved(this.#run(this.#programs[family].save, []));
  }

  edit(family: IpFamily, edits: readonly TableEdits[]): void {
    const script = restoreScript(edits);
    if (script === '') return;
    this.#run(this.#programs[family].restore, ['--noflush', '--wait', LOCK_SECONDS], script);
  }

  removeEmptyTables(family: IpFamily): void {
    const nftables = this.#nftables;
    if (nftables === undefined) return;
    const nftFamily = family === 4 ? 'ip' : 'ip6';
    const existing = new Set(nftables.tables(nftFamily).map(({ name }) => name));
    for (const name of ['filter', 'nat'] satisfies IptablesTable[]) {
      const of = table(nftFamily, name);
      if (!existing.has(name)) continue;
      const chains = nftables.chains(of);
      const isEmpty = chains.every(
        (each) =>
          each.hook !== undefined &&
          each.policy !== 'drop' &&
          nftables.rules(chain(of, each.name)).length === 0,
      );
      if (isEmpty && nftables.sets(of).length === 0) nftables.apply([destroy(of)]);
    }
  }

  generation(): number | undefined {
    return this.#nftables?.generation();
  }

  #run(program: string, args: readonly string[], input?: string): string {
    const run = () =>
      spawnSync(program, args, {
        encoding: 'utf8',
        maxBuffer: MAX_OUTPUT_BYTES,
        // Messages are read below: they should not change with the user's language.
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
        ...(input !== undefined && { input }),
      });
    const { status, stdout, stderr, error } = this.#netns ? withNetns(this.#netns, run) : run();
    if (error === undefined && status === 0) return stdout;
    throw refusal(program, { input, said: error?.message ?? stderr.trim() });
  }

  close(): void {
    this.#nftables?.close();
  }
}

/** Names the line that was refused, when the program says which. */
function refusal(
  program: string,
  { input, said }: { readonly input: string | undefined; readonly said: string },
): PodnetError {
  const number = /line:? (\d+)/u.exec(said)?.[1];
  const line = number === undefined ? undefined : input?.split('\n')[Number(number) - 1];
  return new PodnetError(`${program} refused${line === undefined ? '' : ` "${line}"`}: ${said}`, {
    code: 'iptables-refused',
    where: line ?? program,
    fix: 'Look whether the kernel has the modules of the matches and targets in that line (xt_*).',
  });
}
