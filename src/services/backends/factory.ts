import { openIptables, type Iptables } from '../../kernel/iptables/iptables.ts';
import type { Ipvs } from '../../kernel/ipvs/ipvs.ts';
import { openIpvs } from '../../kernel/ipvs/kernel-ipvs.ts';
import { type Netns, createNetns } from '../../kernel/netns.ts';
import { type Nftables, openNftables } from '../../kernel/nftables/nftables.ts';
import { type Rtnl, openRtnl } from '../../kernel/rtnl/rtnl.ts';
import type { ServiceBackend } from './backend.ts';
import { createIptablesBackend } from './iptables/iptables.ts';
import { createIpvsBackend } from './ipvs/ipvs.ts';
import { createNftablesBackend } from './nftables.ts';
import type { BackendName } from './switching.ts';

export interface BackendFactoryOptions {
  readonly netns: Netns;
  /** Both of that namespace, and closed by whoever opened them. */
  readonly nftables: Nftables;
  readonly rtnl: Rtnl;
}

/** Makes the backends of one node, for `createSwitchingBackend`, and holds the doors they share. */
export interface BackendFactory {
  /** @throws PodnetError `program-missing` or `kernel-lacks`, with what to do about it */
  create(name: BackendName): ServiceBackend;
  close(): void;
}

export function createBackendFactory(options: BackendFactoryOptions): BackendFactory {
  const { netns, nftables, rtnl } = options;
  let iptables: Iptables | undefined;
  let ipvs: Ipvs | undefined;
  return {
    create(name) {
      switch (name) {
        case 'nftables':
          return createNftablesBackend({ nftables });
        case 'iptables':
          return createIptablesBackend({ iptables: (iptables ??= openIptables({ netns })) });
        case 'ipvs':
          return createIpvsBackend({ ipvs: (ipvs ??= openIpvs({ netns })), nftables, rtnl, netns });
      }
    },
    close() {
      iptables?.close();
      ipvs?.close();
    },
  };
}

/**
 * Tries a backend with no Services in a network namespace of its own.
 * @throws PodnetError naming the program or the feature of the kernel that it needs, and how to get it
 */
export function requireBackend(name: BackendName): void {
  const netns = createNetns();
  const [nftables, rtnl] = [openNftables({ netns }), openRtnl({ netns })];
  const factory = createBackendFactory({ netns, nftables, rtnl });
  try {
    factory.create(name).sync({
      node: { name: '', addresses: [], podCidrs: [], nodePortAddresses: [] },
      ports: new Map(),
      ignored: new Map(),
      health: new Map(),
    });
  } finally {
    factory.close();
    rtnl.close();
    nftables.close();
    netns.close();
  }
}
