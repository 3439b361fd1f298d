import type { Netns } from '../netns.ts';
import { formatIp, ipFromBytes } from '../../model/ip.ts';
import type { NetlinkReply } from '../netlink/reply.ts';
import { openNetlinkSocket } from '../netlink/netlink-socket.ts';
import { decodeVerdict, messageAttributes } from './decode.ts';
import { MSG, NFNLGRP, NFNL_SUBSYS_NFTABLES, NFPROTO, NF_VERDICT, TRACE, TRACE_TYPE } from './nf-tables.ts';
import type { NftFamily } from './objects.ts';
import type { Verdict } from './statements.ts';

/** One step of a packet with `meta nftrace 1` through the tables. */
export interface NftTraceEvent {
  /** The same for all steps of one packet through one hook's chains. */
  readonly packetId: number;
  readonly family: NftFamily | undefined;
  readonly table: string;
  readonly chain: string;
  /** A rule was left with a verdict, a chain came to its end, or a base chain's policy decided. */
  readonly type: 'rule' | 'return' | 'policy' | 'unspecified';
  readonly ruleHandle?: bigint;
  readonly verdict?: Verdict;
  readonly policy?: 'accept' | 'drop';
  /** Interface indexes. */
  readonly inputInterface?: number;
  readonly outputInterface?: number;
  readonly mark?: number;
  /** Only in the first event of a packet, as all headers. */
  readonly packet?: TracedPacket;
  readonly linkHeader?: Buffer;
  readonly networkHeader?: Buffer;
  readonly transportHeader?: Buffer;
}

export interface TracedPacket {
  readonly source: string;
  readonly destination: string;
  /** The IP protocol's number. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

export interface NftTrace {
  /** Calls back for every event, from the event loop, until `close`. `overflow` tells that some were lost. */
  listen(events: { event(event: NftTraceEvent): void; overflow?(): void }): void;
  close(): void;
}

/** Subscribes to the packet traces of a network namespace (NFNLGRP_NFTRACE), the calling thread's unless told. */
export function openNftTrace(options: { readonly netns?: Netns } = {}): NftTrace {
  const socket = openNetlinkSocket('netfilter', { ...options, groups: [NFNLGRP.NFTRACE] });
  return {
    listen(events) {
      socket.listen({
        message: (reply) => {
          if (reply.type === ((NFNL_SUBSYS_NFTABLES << 8) | MSG.TRACE)) events.event(decodeTrace(reply));
        },
        overflow: () => events.overflow?.(),
      });
    },
    close: () => socket.close(),
  };
}

/** One NFT_MSG_TRACE. */
export function decodeTrace({ payload }: Pick<NetlinkReply, 'payload'>): NftTraceEvent {
  const attributes = messageAttributes(payload);
  const verdict = attributes.nested(TRACE.VERDICT);
  const policy = attributes.u32be(TRACE.POLICY);
  const networkHeader = attributes.get(TRACE.NETWORK_HEADER);
  const transportHeader = attributes.get(TRACE.TRANSPORT_HEADER);
  const packet = networkHeader && decodePacket(networkHeader, transportHeader);
  // The end of a chain comes as the verdict of a rule that is none.
  const ruleHandle = attributes.u64be(TRACE.RULE_HANDLE);
  const type = TRACE_TYPE[attributes.u32be(TRACE.TYPE) ?? 0] ?? 'unspecified';
  const found: Record<keyof NftTraceEvent, unknown> = {
    packetId: attributes.u32be(TRACE.ID) ?? 0,
    family: (Object.keys(NFPROTO) as NftFamily[]).find((name) => NFPROTO[name] === payload[0]),
    table: attributes.string(TRACE.TABLE) ?? '',
    chain: attributes.string(TRACE.CHAIN) ?? '',
    type: type === 'rule' && ruleHandle === undefined ? 'return' : type,
    ruleHandle,
    verdict: verdict && decodeVerdict(verdict),
    policy: policy === undefined ? undefined : policy === NF_VERDICT.drop ? 'drop' : 'accept',
    inputInterface: attributes.u32be(TRACE.IIF),
    outputInterface: attributes.u32be(TRACE.OIF),
    mark: attributes.u32be(TRACE.MARK),
    packet,
    linkHeader: attributes.get(TRACE.LL_HEADER),
    networkHeader,
    transportHeader,
  };
  return Object.fromEntries(
    Object.entries(found).filter(([, value]) => value !== undefined),
  ) as unknown as NftTraceEvent;
}

/** Addresses, protocol and ports: of IPv4 (RFC 791) and IPv6 (RFC 8200, without extension headers). */
function decodePacket(network: Buffer, transport: Buffer | undefined): TracedPacket | undefined {
  const version = (network[0] ?? 0) >> 4;
  const address = (offset: number, length: number): string =>
    formatIp(ipFromBytes(network.subarray(offset, offset + length)));
  const protocol = network[version === 4 ? 9 : 6];
  if (protocol === undefined || network.length < (version === 4 ? 20 : 40)) return undefined;
  const ports =
    transport !== undefined && transport.length >= 4 && [6, 17, 132].includes(protocol)
      ? { sourcePort: transport.readUInt16BE(0), destinationPort: transport.readUInt16BE(2) }
      : {};
  if (version === 4) return { source: address(12, 4), destination: address(16, 4), protocol, ...ports };
  if (version === 6) return { source: address(8, 16), destination: address(24, 16), protocol, ...ports };
  return undefined;
}
