import { sleep, systemClock } from '../cluster/clock.ts';
import { type NftCommand, add, destroy } from '../kernel/nftables/commands.ts';
import { ip, ip6, tcp, udp } from '../kernel/nftables/expressions.ts';
import { chain, priorities, rule, set, table, elements } from '../kernel/nftables/objects.ts';
import { match, notrack } from '../kernel/nftables/statements.ts';
import type { Nftables } from '../kernel/nftables/nftables.ts';
import { tryParseIp } from '../model/ip.ts';

const DNS_PORT = 53;
const TABLE = table('inet', 'podnet-dns', { comment: 'podnet: DNS of this node is not tracked' });
const HOOKS = ['prerouting', 'output'] as const;

/**
 * The batch that makes the table `podnet-dns`, whatever was there before. Questions to the node's own DNS and its
 * answers leave no entries in conntrack: pods that ask a lot cannot fill it, and none waits for an entry's lock.
 *
 *     prerouting, output (raw) ─▶ to an address of the DNS, port 53    ─▶ notrack
 *                                 from an address of the DNS, port 53  ─▶ notrack
 */
export function notrackRules(addresses: readonly string[]): NftCommand[] {
  const commands: NftCommand[] = [destroy(TABLE), add(TABLE)];
  const families = ([4, 6] as const).flatMap((family) => {
    const own = addresses.filter((address) => tryParseIp(address)?.family === family);
    if (own.length === 0) return [];
    const servers = set(TABLE, `servers-${family}`, { key: [family === 4 ? 'ipv4_addr' : 'ipv6_addr'] });
    commands.push(
      add(servers),
      add(
        elements(
          servers,
          own.map((address) => ({ key: [address] })),
        ),
      ),
    );
    return [{ header: family === 4 ? ip : ip6, servers }];
  });
  for (const hook of HOOKS) {
    const base = chain(TABLE, hook, { base: { type: 'filter', hook, priority: priorities.raw } });
    commands.push(add(base));
    for (const { header, servers } of families) {
      for (const { dport, sport } of [udp, tcp]) {
        commands.push(
          add(rule(base, [match(header.daddr, 'in', servers), match(dport, '==', DNS_PORT), notrack])),
          add(rule(base, [match(header.saddr, 'in', servers), match(sport, '==', DNS_PORT), notrack])),
        );
      }
    }
  }
  return commands;
}

export interface NotrackOptions {
  readonly nftables: Nftables;
  readonly addresses: readonly string[];
  readonly onError: (error: unknown) => void;
  /** How often somebody may have deleted it. */
  readonly checkMs?: number;
}

/** Keeps the table in the kernel until the signal aborts, and leaves it there. */
export async function keepNotrack(
  { nftables, addresses, onError, checkMs = 30_000 }: NotrackOptions,
  signal: AbortSignal,
): Promise<void> {
  const rules = notrackRules(addresses);
  const wanted = rules.filter(({ object }) => object.kind === 'rule').length;
  /** Undefined at first: what is there may be of other addresses. */
  let generation: number | undefined;
  while (!signal.aborted) {
    try {
      if (nftables.generation() !== generation) {
        if (generation === undefined || !isInPlace(nftables, wanted)) nftables.apply(rules);
        generation = nftables.generation();
      }
    } catch (error) {
      onError(error);
    }
    await sleep(systemClock, checkMs, signal);
  }
}

function isInPlace(nftables: Nftables, wanted: number): boolean {
  const isThere = nftables.tables('inet').some(({ name }) => name === TABLE.name);
  return isThere && nftables.rules(TABLE).length === wanted;
}

/** Deletes the table. */
export function removeNotrack(nftables: Nftables): void {
  nftables.apply([destroy(TABLE)]);
}
