import { errnoName } from '../ffi.ts';
import { Attributes } from './attributes.ts';

/** A request the kernel refused. `isErrno(error, 'EEXIST')` of ffi.ts asks for the reason. */
export class NetlinkError extends Error {
  readonly errno: number;
  /** The errno's name: `EEXIST`. */
  readonly code: string;
  /** The printable form of the request that failed. */
  readonly request: string;
  /** The kernel's own words, when it gave any. */
  readonly explanation: string | undefined;

  constructor(errno: number, request: string, explanation?: string) {
    const code = errnoName(errno);
    super(`${request}: ${code}${explanation ? ` (${explanation})` : ''}`);
    this.name = 'NetlinkError';
    this.errno = errno;
    this.code = code;
    this.request = request;
    this.explanation = explanation;
  }
}

const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR = { MSG: 1, OFFS: 2, MISS_TYPE: 5 } as const;

/**
 * The kernel's explanation in an NLMSG_ERROR payload, which is the errno (negative), the header of the refused
 * message, its payload unless capped, and then attributes (extended ACK, linux/netlink.h).
 */
export function readExplanation(payload: Buffer, flags: number): string | undefined {
  if (!(flags & NLM_F_ACK_TLVS) || payload.length < 20) return undefined;
  const refusedLength = flags & NLM_F_CAPPED ? 16 : payload.readUInt32LE(4);
  const attributes = new Attributes(payload, 4 + ((refusedLength + 3) & ~3));
  const text = attributes.string(NLMSGERR_ATTR.MSG);
  if (text) return text;
  const missing = attributes.u32(NLMSGERR_ATTR.MISS_TYPE);
  if (missing !== undefined) return `attribute ${missing} is missing`;
  const offset = attributes.u32(NLMSGERR_ATTR.OFFS);
  return offset === undefined ? undefined : `at byte ${offset} of the message`;
}
