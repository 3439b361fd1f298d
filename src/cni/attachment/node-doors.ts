import { borrowNftables } from './shared-doors.ts';
import { type Conntrack, openConntrack } from '../../kernel/conntrack/conntrack.ts';
import { type Nftables, openNftables } from '../../kernel/nftables/nftables.ts';
import { type Netns, withNetns } from '../../kernel/netns.ts';
import { type Rtnl, openRtnl } from '../../kernel/rtnl/rtnl.ts';
import { tryReadSysctl, writeSysctl } from '../../kernel/sysctl.ts';
import { type TrafficControl, openTrafficControl } from '../../kernel/traffic-control/traffic-control.ts';

/** The kernel's doors to the node's namespace, each opened when it is first used. */
export interface NodeDoors {
  readonly nftables: Nftables;
  readonly rtnl: Rtnl;
  readonly tc: TrafficControl;
  readonly openConntrack: () => Conntrack;
  readonly readSysctl: (name: string) => string | undefined;
  readonly writeSysctl: (name: string, value: string) => void;
  /** A door to another namespace. */
  readonly openRtnl: (netns: Netns) => Rtnl;
  close(): void;
}

/** Doors to `netns`; to the namespace of the calling thread unless told. */
export function openNodeDoors(netns?: Netns): NodeDoors {
  const where = netns ? { netns } : {};
  const inside = <T>(run: () => T): T => (netns ? withNetns(netns, run) : run());
  let nftables: Nftables | undefined;
  let rtnl: Rtnl | undefined;
  let tc: TrafficControl | undefined;
  return {
    get nftables() {
      return (nftables ??= netns ? openNftables(where) : borrowNftables());
    },
    get rtnl() {
      return (rtnl ??= openRtnl(where));
    },
    get tc() {
      return (tc ??= openTrafficControl(where));
    },
    openConntrack: () => openConntrack(where),
    readSysctl: (name) => inside(() => tryReadSysctl(name)),
    writeSysctl: (name, value) => inside(() => writeSysctl(name, value)),
    openRtnl: (other) => openRtnl({ netns: other }),
    close() {
      nftables?.close();
      rtnl?.close();
      tc?.close();
    },
  };
}

/** Runs synchronous work with doors to the calling thread's namespace. */
export function withNodeDoors<T>(run: (doors: NodeDoors) => T): T {
  const doors = openNodeDoors();
  try {
    return run(doors);
  } finally {
    doors.close();
  }
}
