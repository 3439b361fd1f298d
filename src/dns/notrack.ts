import { sleep, systemClock } from '../cluster/clock.ts';
import { type NftCommand, add, destroy } from '../kernel/nftables/commands.ts';
import { ip, ip6, tcp, udp } from '../kernel/nftables/expressions.ts';
import { chain, priorities, rule, set, table, elements } from '../kernel/nftables/objects.ts';
import { drop, match, notrack, updateSet } from '../kernel/nftables/statements.ts';
import type { Nftables } from '../kernel/nftables/nftables.ts';
import { tryParseIp } from '../model/ip.ts';

const DNS_PORT = 53;
const TABLE = table('inet', 'podnet-dns', { comment: 'podnet: DNS of this node is not tracked' });
const HOOKS = ['prerouting', 'output'] as const;

/** How long a client that asks nothing is remembered, and how many are. */
const CLIENT_TIMEOUT_MS = 10_000;
const MAX_CLIENTS = 65_536;

/**
 * The batch that makes the table `podnet-dns`, whatever was there before. Questions to the node's own DNS and its
 * answers leave no entries in conntrack: pods that ask a lot cannot fill it, and none waits for an entry's lock. What a
 * client asks beyond its rate is dropped before it takes room in the socket's buffer that others need.
 *
 *     prerouting, output (raw) ─▶ to an address of the DNS, UDP port 53, its client's questions beyond the rate ─▶ drop
 *                                 to an address of the DNS, port 53    ─▶ notrack
 *                                 from an address of the DNS, port 53  ─▶ notrack
 */
export function notrackRules(
  addresses: readonly string[],
  limit?: { readonly perSecond: number; readonly burst: number },
): NftCommand[] {
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
    const key = family === 4 ? ('ipv4_addr' as const) : ('ipv6_addr' as const);
    const clients = set(TABLE, `clients-${family}`, {
      key: [key],
      flags: ['dynamic', 'timeout'],
      timeoutMs: CLIENT_TIMEOUT_MS,
      size: MAX_CLIENTS,
    });
    if (limit !== undefined) commands.push(add(clients));
    return [{ header: family === 4 ? ip : ip6, servers, clients }];
  });
  for (const hook of HOOKS) {
    const base = chain(TABLE, hook, { base: { type: 'filter', hook, priority: priorities.raw } });
    commands.push(add(base));
    for (const { header, servers, clients } of families) {
      if (limit !== undefined && hook === 'prerouting') {
        const { perSecond: rate, burst } = limit;
        const beyond = { rate, per: 'second', burst, over: true } as const;
        const rated = updateSet(clients, header.saddr, { limit: beyond });
        const toDns = match(header.daddr, 'in', servers);
        commands.push(add(rule(base, [toDns, match(udp.dport, '==', DNS_PORT), rated, drop])));
      }
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
  /** Of one client's questions over UDP; without it there is none. */
  readonly limit?: { readonly perSecond: number; readonly burst: number };
  readonly onError: (error: unknown) => void;
  /** How often somebody may have deleted it. */
  readonly checkMs?: number;
}

/** Keeps the table in the kernel until the signal aborts, and leaves it there. */
export async function keepNotrack(
  { nftables, addresses, limit, onError, checkMs = 30_000 }: NotrackOptions,
  signal: AbortSignal,
): Promise<void> {
  const rules = notrackRules(addresses, limit);
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
