import { MessageWriter, type NetlinkMessage } from '../netlink/message.ts';
import { NFNL_MSG_BATCH, NFNL_SUBSYS_NFTABLES, NFPROTO } from './nf-tables.ts';
import type { NftFamily } from './objects.ts';

/** Says in words what a message asks for. */
export type Describe = () => string;

/** Begin and end of a batch: everything between is applied at once. */
export function batchMessage(kind: keyof typeof NFNL_MSG_BATCH): NetlinkMessage {
  return new MessageWriter(NFNL_MSG_BATCH[kind], 0, 20)
    .u8(0)
    .u8(0)
    .u16be(NFNL_SUBSYS_NFTABLES)
    .finish(`batch ${kind.toLowerCase()}`);
}

/** A message of nf_tables; `payload` is nfgenmsg: family, version, resource. */
export function tablesMessage(type: number, flags: number, family: NftFamily | undefined): MessageWriter {
  const out = new MessageWriter((NFNL_SUBSYS_NFTABLES << 8) | type, flags);
  return out
    .u8(family === undefined ? 0 : NFPROTO[family])
    .u8(0)
    .u16(0);
}
