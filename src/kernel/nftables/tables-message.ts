import { MessageWriter, type NetlinkMessage } from '../netlink/message.ts';
import { NFNL_MSG_BATCH, NFNL_SUBSYS_NFTABLES, NFPROTO } from './nf-tables.ts';
import type { NftFamily } from './objects.ts';

/** Says in words what a message asks for. */
export type Describe = () => string;

const NFNL_BATCH_GENID = 1;

/** Begin and end of a batch: everything between is applied at once, if nothing changed since `generation`. */
export function batchMessage(kind: keyof typeof NFNL_MSG_BATCH, generation?: number): NetlinkMessage {
  const writer = new MessageWriter(NFNL_MSG_BATCH[kind], 0, 28).u8(0).u8(0).u16be(NFNL_SUBSYS_NFTABLES);
  if (generation !== undefined) writer.attrU32be(NFNL_BATCH_GENID, generation);
  return writer.finish(`batch ${kind.toLowerCase()}`);
}

/** A message of nf_tables; `payload` is nfgenmsg: family, version, resource. */
export function tablesMessage(type: number, flags: number, family: NftFamily | undefined): MessageWriter {
  const out = new MessageWriter((NFNL_SUBSYS_NFTABLES << 8) | type, flags);
  return out
    .u8(family === undefined ? 0 : NFPROTO[family])
    .u8(0)
    .u16(0);
}
