import { HEADER_LENGTH, type NetlinkMessage, describeMessage } from './message.ts';
import { NetlinkError, readExplanation } from './netlink-error.ts';

/** A message from the kernel. */
export interface NetlinkReply {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** What follows the header: the family's fixed header and the attributes. */
  readonly payload: Buffer;
}

/** The messages in one datagram. */
export function* parseReplies(datagram: Buffer): Generator<NetlinkReply> {
  let at = 0;
  while (at + HEADER_LENGTH <= datagram.length) {
    const length = datagram.readUInt32LE(at);
    if (length < HEADER_LENGTH || at + length > datagram.length) return;
    yield {
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      payload: datagram.subarray(at + HEADER_LENGTH, at + length),
    };
    at += (length + 3) & ~3;
  }
}

/** The error an NLMSG_ERROR or NLMSG_DONE tells of; undefined for success. */
export function replyError(
  { payload, flags }: NetlinkReply,
  message: NetlinkMessage,
): NetlinkError | undefined {
  const status = payload.length >= 4 ? payload.readInt32LE() : 0;
  if (status === 0) return undefined;
  return new NetlinkError(-status, describeMessage(message), readExplanation(payload, flags));
}
