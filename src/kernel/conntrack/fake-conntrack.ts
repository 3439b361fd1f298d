import type { Conntrack } from './conntrack.ts';
import {
  CONNTRACK_STATUS,
  type ConntrackEntry,
  type ConntrackFilter,
  type ConntrackTuple,
  matchesConntrack,
  printTuple,
} from './conntrack-entry.ts';

export interface FakeConntrack extends Conntrack {
  /** Remembers a flow, in place of one with the same original tuple and zone. */
  add(entry: ConntrackEntry): void;
  /** How many times it was listed. */
  readonly lists: number;
}

/** As the kernel does, in memory. */
export function createFakeConntrack(): FakeConntrack {
  const entries = new Map<string, ConntrackEntry>();
  const keyOf = ({ original, zone }: ConntrackEntry): string =>
    `${zone} ${printTuple(original)} ${JSON.stringify(original.icmp ?? null)}`;
  let lists = 0;
  let lastId = 0;
  return {
    get lists() {
      return lists;
    },
    add(entry) {
      lastId += 1;
      entries.set(keyOf(entry), { ...entry, id: entry.id === 0 ? lastId : entry.id });
    },
    list(filter: ConntrackFilter = {}) {
      lists += 1;
      return [...entries.values()].filter((entry) => matchesConntrack(entry, filter));
    },
    delete(wanted) {
      let deleted = 0;
      for (const entry of wanted) {
        const key = keyOf(entry);
        const known = entries.get(key);
        if (known === undefined || (entry.id !== 0 && entry.id !== known.id)) continue;
        entries.delete(key);
        deleted += 1;
      }
      return deleted;
    },
    count: () => entries.size,
    close: () => undefined,
  };
}

/** The entry of a flow without NAT, or with destination NAT to `to`. */
export function fakeEntry(
  original: ConntrackTuple,
  to: { readonly address: string; readonly port: number } = {
    address: original.destination,
    port: original.destinationPort,
  },
): ConntrackEntry {
  const nat = to.address !== original.destination || to.port !== original.destinationPort;
  const { confirmed, seenReply, destinationNat } = CONNTRACK_STATUS;
  return {
    family: original.source.includes(':') ? 6 : 4,
    original,
    reply: {
      protocol: original.protocol,
      source: to.address,
      sourcePort: to.port,
      destination: original.source,
      destinationPort: original.sourcePort,
    },
    status: confirmed | seenReply | (nat ? destinationNat : 0),
    mark: 0,
    zone: 0,
    id: 0,
    timeoutSeconds: 30,
  };
}
