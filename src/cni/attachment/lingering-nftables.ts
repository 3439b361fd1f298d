import { currentNetns } from '../../kernel/netns.ts';
import { type Nftables, openNftables } from '../../kernel/nftables/nftables.ts';

/** The kernel frees what was deleted within this time, after which closing costs nothing. */
const LINGER_MS = 250;

interface Lingering {
  readonly nftables: Nftables;
  users: number;
  timer: NodeJS.Timeout | undefined;
}

/** By the inode of their namespace, which they hold. */
const open = new Map<bigint, Lingering>();

/**
 * The door to nf_tables of the calling thread's namespace, shared by requests that overlap or follow one another: its
 * socket closes a while after the last one, for closing it waits until the kernel has freed everything that was
 * deleted (nft_rcv_nl_event in net/netfilter/nf_tables_api.c), some 15 ms. A process that ends does not wait for it.
 */
export function borrowNftables(): Nftables {
  const netns = currentNetns();
  netns.close();
  const { inode } = netns;
  const shared = open.get(inode) ?? { nftables: openNftables(), users: 0, timer: undefined };
  open.set(inode, shared);
  clearTimeout(shared.timer);
  shared.users++;
  const { nftables } = shared;
  return {
    apply: (commands, options) => nftables.apply(commands, options),
    tables: (family) => nftables.tables(family),
    chains: (of) => nftables.chains(of),
    sets: (of) => nftables.sets(of),
    elements: (of) => nftables.elements(of),
    rules: (of) => nftables.rules(of),
    generation: () => nftables.generation(),
    close() {
      shared.users--;
      if (shared.users > 0) return;
      shared.timer = setTimeout(() => {
        open.delete(inode);
        nftables.close();
      }, LINGER_MS).unref();
    },
  };
}
