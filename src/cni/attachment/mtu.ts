import type { Fields } from '../spec/json.ts';

/** The key `mtu`, in bytes: 0 means that nobody cares. RFC 791 wants 68 bytes, and the kernel's veth takes no more than 65535. */
export function parseMtu(fields: Fields): number | undefined {
  const mtuBytes = fields.integer('mtu', { max: 65_535 }) || undefined;
  if (mtuBytes !== undefined && mtuBytes < 68) throw fields.error('mtu', 'a whole number from 68 to 65535');
  return mtuBytes;
}
