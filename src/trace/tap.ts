import type { Netns } from '../kernel/netns.ts';
import { add, destroy } from '../kernel/nftables/commands.ts';
import { ip, ip6, meta, th } from '../kernel/nftables/expressions.ts';
import { type NftTrace, type NftTraceEvent, openNftTrace } from '../kernel/nftables/nft-trace.ts';
import { type Nftables, openNftables } from '../kernel/nftables/nftables.ts';
import { chain, type Hook, rule, table } from '../kernel/nftables/objects.ts';
import { assign, match } from '../kernel/nftables/statements.ts';
import { type Rtnl, openRtnl } from '../kernel/rtnl/rtnl.ts';
import type { HopPacket, Place, Protocol } from './trace.ts';

/** A packet of the flow at one hook of one namespace. */
export interface SeenPacket {
  readonly hook: Hook;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  readonly packet: HopPacket;
  readonly timeToLive: number;
  /** Only its addresses are the flow's: another namespace has to tell whether the flow got that port. */
  readonly hasOtherPort?: true;
  /** Of other tables' rules since the hook before. */
  readonly verdicts: readonly string[];
}

/** Watches one flow in one namespace. */
export interface Tap {
  readonly place: Place;
  /** What was seen until now, in order. */
  readonly packets: () => readonly SeenPacket[];
  /** Takes the table away. */
  close(): void;
}

export const TRACE_TABLE = table('inet', 'podnet-trace', { comment: 'podnet: a packet is being observed' });

/** Before connection tracking and every translation on the way in, after them on the way out. */
const HOOKS = [
  { hook: 'prerouting', priority: -350 },
  // Only to know it again: the kernel names a packet anew that a bridge hands to its node.
  { hook: 'forward', priority: -350 },
  { hook: 'output', priority: -350 },
  { hook: 'input', priority: 350 },
  { hook: 'postrouting', priority: 350 },
] as const;

export interface TapOptions {
  readonly protocol: Protocol;
  readonly sourcePort: number;
  /** As whom the flow comes, and to which ports, where a masquerade may have given it another source port. */
  readonly masqueraded?: { readonly sources: readonly string[]; readonly ports: readonly number[] };
}

/** Marks and reports the packets that have the source port; answers have it as their destination and stay unseen. */
export function openTap(place: Place, netns: Netns, { protocol, sourcePort, masqueraded }: TapOptions): Tap {
  const { nftables, rtnl, monitor } = openDoors(netns);
  const packets: SeenPacket[] = [];
  const ours = new Set<number>();
  let verdicts: string[] = [];
  const names = new Map<number, string | undefined>();

  function nameOf(index: number | undefined): { name?: string } {
    if (index === undefined) return {};
    if (!names.has(index)) names.set(index, rtnl.link(index)?.name);
    const name = names.get(index);
    return name === undefined ? {} : { name };
  }

  monitor.listen({
    event(event) {
      if (event.table !== TRACE_TABLE.name) {
        const verdict = event.verdict?.verdict;
        // What only passes by decides nothing.
        const decides = event.type === 'rule' && verdict !== 'continue' && ours.has(event.packetId);
        if (decides) verdicts.push(printVerdict(event));
        return;
      }
      const { hook } = HOOKS.find((each) => each.hook === event.chain) ?? {};
      if (hook === undefined || event.packet === undefined) return;
      const { source, destination, sourcePort: port, destinationPort } = event.packet;
      if (destinationPort === undefined) return;
      if (hook === 'forward') {
        if (port === sourcePort) ours.add(event.packetId);
        return;
      }
      if (port === sourcePort) ours.add(event.packetId);
      // A masquerade may have changed the port on the way out, but it is the packet that came in.
      const isOurs = ours.has(event.packetId);
      const { sources = [], ports = [] } = masqueraded ?? {};
      if (!isOurs && !(sources.includes(source) && ports.includes(destinationPort))) return;
      const input = nameOf(event.inputInterface).name;
      const output = nameOf(event.outputInterface).name;
      packets.push({
        hook,
        ...(input !== undefined && { inputInterface: input }),
        ...(output !== undefined && { outputInterface: output }),
        packet: { source, sourcePort: port ?? sourcePort, destination, destinationPort },
        timeToLive: timeToLive(event.networkHeader),
        ...(!isOurs && { hasOtherPort: true }),
        verdicts,
      });
      verdicts = [];
    },
  });

  function close(): void {
    try {
      nftables.apply([destroy(TRACE_TABLE)]);
    } finally {
      monitor.close();
      rtnl.close();
      nftables.close();
    }
  }

  try {
    const chains = HOOKS.map(({ hook, priority }) =>
      chain(TRACE_TABLE, hook, { base: { type: 'filter', hook, priority } }),
    );
    const flows = [
      [match(meta.l4proto, '==', protocol), match(th.sport, '==', sourcePort)],
      ...(masqueraded?.sources ?? []).map((source) => [
        match(source.includes(':') ? ip6.saddr : ip.saddr, '==', source),
        match(meta.l4proto, '==', protocol),
        match(th.dport, 'in', [...(masqueraded?.ports ?? [])]),
      ]),
    ];
    nftables.apply([
      destroy(TRACE_TABLE),
      add(TRACE_TABLE),
      ...chains.flatMap((each) => [
        add(each),
        ...flows.map((flow) => add(rule(each, [...flow, assign(meta.nftrace, 1)]))),
      ]),
    ]);
  } catch (error) {
    close();
    throw error;
  }
  return {
    place,
    packets: () =>
      verdicts.length === 0 || packets.length === 0
        ? packets
        : packets.map((packet, index) =>
            index < packets.length - 1
              ? packet
              : Object.assign({}, packet, { verdicts: [...packet.verdicts, ...verdicts] }),
          ),
    close,
  };
}

interface Doors {
  readonly nftables: Nftables;
  readonly rtnl: Rtnl;
  readonly monitor: NftTrace;
}

/** All three, or none: the one that cannot be opened closes those before it. */
function openDoors(netns: Netns): Doors {
  const opened: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(door: T): T => {
    opened.push(door);
    return door;
  };
  try {
    return {
      nftables: keep(openNftables({ netns })),
      rtnl: keep(openRtnl({ netns })),
      monitor: keep(openNftTrace({ netns })),
    };
  } catch (error) {
    for (const door of opened) door.close();
    throw error;
  }
}

function printVerdict({ table: name, chain: chainName, verdict }: NftTraceEvent): string {
  const to = verdict !== undefined && 'chain' in verdict ? ` ${verdict.chain}` : '';
  return `${name} ${chainName}: ${verdict?.verdict ?? ''}${to}`;
}

/** IPv4's time to live, IPv6's hop limit. */
function timeToLive(header: Buffer | undefined): number {
  if (header === undefined) return 0;
  return header[(header[0] ?? 0) >> 4 === 4 ? 8 : 7] ?? 0;
}
