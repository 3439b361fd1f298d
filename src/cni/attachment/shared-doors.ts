/**
 * The kernel's doors to the node's namespace, shared by requests that overlap or follow one another. Opening one takes a
 * dozen system calls, and closing nf_tables' waits until the kernel has freed everything that was deleted
 * (nft_rcv_nl_event in net/netfilter/nf_tables_api.c), some 15 ms: doors therefore close a while after their last user,
 * or with the server that keeps them. A process that ends does not wait for them.
 */
import { currentNetnsInode } from '../../kernel/netns.ts';
import { type Nftables, openNftables } from '../../kernel/nftables/nftables.ts';
import { type Rtnl, openRtnl } from '../../kernel/rtnl/rtnl.ts';

/** The kernel frees what was deleted within this time, after which closing costs nothing. */
const LINGER_MS = 250;

export interface Borrowed<D> {
  readonly door: D;
  readonly giveBack: () => void;
}

interface Lingering<D> {
  readonly door: D;
  users: number;
  timer: NodeJS.Timeout | undefined;
}

/** What gives back the doors that a server keeps, by the inode of their namespace. */
const keepers = new Map<bigint, (() => void)[]>();

/** Lends doors to the calling thread's namespace, which hold it while they are open. */
function lender<D extends { close(): void }>(open: () => D): () => Borrowed<D> {
  const lent = new Map<bigint, Lingering<D>>();
  return () => {
    const inode = currentNetnsInode();
    const known = lent.get(inode);
    const shared: Lingering<D> = known ?? { door: open(), users: 0, timer: undefined };
    const giveBack = (): void => {
      shared.users--;
      if (shared.users > 0) return;
      shared.timer = setTimeout(() => {
        lent.delete(inode);
        shared.door.close();
      }, LINGER_MS).unref();
    };
    if (!known) {
      lent.set(inode, shared);
      const kept = keepers.get(inode);
      if (kept) {
        shared.users++;
        kept.push(giveBack);
      }
    }
    clearTimeout(shared.timer);
    shared.users++;
    return { door: shared.door, giveBack };
  };
}

/** To rtnetlink. */
export const borrowRtnl = lender<Rtnl>(() => openRtnl());

const lendNftables = lender<Nftables>(() => openNftables());

/** To nf_tables; closing it gives it back. */
export function borrowNftables(): Nftables {
  const { door, giveBack } = lendNftables();
  return {
    apply: (commands, options) => door.apply(commands, options),
    tables: (family) => door.tables(family),
    chains: (of) => door.chains(of),
    sets: (of) => door.sets(of),
    elements: (of) => door.elements(of),
    rules: (of) => door.rules(of),
    generation: () => door.generation(),
    close: giveBack,
  };
}

/** Keeps the doors to the calling thread's namespace that are opened from now on, until closed: for a server. */
export function keepDoors(): { close(): void } {
  const inode = currentNetnsInode();
  if (keepers.has(inode)) return { close() {} };
  const kept: (() => void)[] = [];
  keepers.set(inode, kept);
  return {
    close() {
      keepers.delete(inode);
      for (const giveBack of kept.splice(0)) giveBack();
    },
  };
}
