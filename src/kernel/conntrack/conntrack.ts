import { openNetlinkSocket } from '../netlink/netlink-socket.ts';
import type { Netns } from '../netns.ts';
import { decodeCount, decodeEntry, encodeCount, encodeDelete, encodeList } from './conntrack-codec.ts';
import { type ConntrackEntry, type ConntrackFilter, matchesConntrack } from './conntrack-entry.ts';

/** The flows that one network namespace remembers (ctnetlink, linux/netfilter/nfnetlink_conntrack.h). */
export interface Conntrack {
  /** Family and protocol are sifted in the kernel (from 5.8 on), the rest here. */
  list(filter?: ConntrackFilter): ConntrackEntry[];
  /**
   * Forgets exactly these flows: by original tuple and zone, and by id where it is known. One that is gone already, or
   * that another has taken the place of, is left out. Returns how many were forgotten.
   */
  delete(entries: readonly ConntrackEntry[]): number;
  /** How many flows are remembered, of every kind. Costs nothing. */
  count(): number;
  close(): void;
}

/** The conntrack of a namespace, the calling thread's unless told. Needs CAP_NET_ADMIN and nf_conntrack_netlink. */
export function openConntrack(options: { readonly netns?: Netns } = {}): Conntrack {
  const socket = openNetlinkSocket('netfilter', options);

  function list(filter: ConntrackFilter = {}): ConntrackEntry[] {
    const families = filter.family === undefined ? ([4, 6] as const) : [filter.family];
    const found: ConntrackEntry[] = [];
    for (const family of families) {
      for (const { payload } of socket.dump(encodeList({ ...filter, family }))) {
        const entry = decodeEntry(payload);
        if (entry !== undefined && matchesConntrack(entry, filter)) found.push(entry);
      }
    }
    return found;
  }

  function forget(entries: readonly ConntrackEntry[]): number {
    const { errors } = socket.batch(entries.map(encodeDelete));
    const other = errors.find(({ code }) => code !== 'ENOENT');
    if (other !== undefined) throw other;
    return entries.length - errors.length;
  }

  function count(): number {
    const [reply] = socket.request(encodeCount());
    return reply === undefined ? 0 : decodeCount(reply.payload);
  }

  return { list, delete: forget, count, close: () => socket.close() };
}
