/** The backends that pass the suite, by name: how each is opened, and what it cannot do. */
import { openIptables } from '../../../src/kernel/iptables/iptables.ts';
import { openIpvs } from '../../../src/kernel/ipvs/kernel-ipvs.ts';
import type { Netns } from '../../../src/kernel/netns.ts';
import { openNftables } from '../../../src/kernel/nftables/nftables.ts';
import { openRtnl } from '../../../src/kernel/rtnl/rtnl.ts';
import { PodnetError } from '../../../src/model/errors.ts';
import type { ServiceBackend } from '../../../src/services/backends/backend.ts';
import { createIptablesBackend } from '../../../src/services/backends/iptables/iptables.ts';
import { createIpvsBackend } from '../../../src/services/backends/ipvs/ipvs.ts';
import { createNftablesBackend } from '../../../src/services/backends/nftables.ts';
import type { BackendName } from '../../../src/services/backends/switching.ts';
import type { Probe } from './suite.ts';

export interface OpenBackend {
  readonly backend: ServiceBackend;
  close(): void;
}

export interface BackendUnderTest {
  /** Of the node's namespace. @throws PodnetError when a program or a feature of the kernel is missing */
  open(netns: Netns): OpenBackend;
  /** Why a probe is not tried. */
  readonly skip?: (probe: Probe) => string | undefined;
}

export const backendsUnderTest: Readonly<Record<BackendName, BackendUnderTest>> = {
  nftables: {
    open(netns) {
      const nftables = openNftables({ netns });
      return { backend: createNftablesBackend({ nftables }), close: () => nftables.close() };
    },
  },
  iptables: {
    open(netns) {
      const iptables = openIptables({ netns });
      return { backend: createIptablesBackend({ iptables }), close: () => iptables.close() };
    },
  },
  ipvs: {
    open(netns) {
      const ipvs = openIpvs({ netns });
      const [nftables, rtnl] = [openNftables({ netns }), openRtnl({ netns })];
      const close = (): void => {
        for (const door of [ipvs, nftables, rtnl]) door.close();
      };
      return { backend: createIpvsBackend({ ipvs, nftables, rtnl, netns }), close };
    },
  },
};

/** Opens a backend, or says in a few words why it cannot be. */
export function tryOpen(name: BackendName, netns: Netns): OpenBackend | string {
  try {
    return backendsUnderTest[name].open(netns);
  } catch (error) {
    if (error instanceof PodnetError) return error.message;
    throw error;
  }
}
