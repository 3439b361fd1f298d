import { errnoNumber } from '../ffi.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';

/** The error of a request that the kernel would refuse so. */
export function refuse(code: string, request: string): NetlinkError {
  return new NetlinkError(errnoNumber(code), request);
}
