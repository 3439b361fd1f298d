/** How every RTM_*LINK message begins (linux/rtnetlink.h, linux/if.h). */
import type { MessageWriter } from '../netlink/message.ts';

export const RTM_LINK = { NEW: 16, DEL: 17, GET: 18, SET: 19 } as const;
export const IFF = { UP: 0x1, LOOPBACK: 0x8, PROMISC: 0x100 } as const;

export interface LinkHeader {
  readonly family?: number;
  readonly index?: number;
  readonly up?: boolean | undefined;
  readonly promiscuous?: boolean | undefined;
}

/** struct ifinfomsg: family, padding, device type, index, flags, which flags change. */
export function ifinfomsg(writer: MessageWriter, header: LinkHeader = {}): MessageWriter {
  const { family = 0, index = 0, up, promiscuous } = header;
  const flags = (up ? IFF.UP : 0) | (promiscuous ? IFF.PROMISC : 0);
  const change = (up === undefined ? 0 : IFF.UP) | (promiscuous === undefined ? 0 : IFF.PROMISC);
  return writer.u8(family).u8(0).u16(0).i32(index).u32(flags).u32(change);
}
