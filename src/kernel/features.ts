/** What this kernel can do for us, tried and not guessed, each with what to do when it cannot. */
import { isErrno } from './ffi.ts';
import { MessageWriter } from './netlink/message.ts';
import { openNetlinkSocket } from './netlink/netlink-socket.ts';
import { type Netns, createNetns, withNetns } from './netns.ts';
import { runProgram } from './process.ts';
import { type LinkSpec, type Rtnl, openRtnl } from './rtnl/rtnl.ts';
import { writeSysctl } from './sysctl.ts';
import { userNamespaceFix } from './user-namespaces.ts';
import { PodnetError, errorMessage } from '../model/errors.ts';

export interface Feature {
  /** `veth`, `nf_tables` … */
  readonly name: string;
  /** What podnet does with it. */
  readonly purpose: string;
  readonly available: boolean;
  /** When it is not: what the kernel said, and what a person can do. */
  readonly problem?: string;
  readonly fix?: string;
}

/**
 * Whether the calling user may make user namespaces, which everything without root rests on. It tries in a child
 * process, for a process with threads cannot enter a new user namespace itself.
 */
export async function userNamespaces(): Promise<Feature> {
  const about = { name: 'user namespaces', purpose: 'runs the lab without root' };
  const { status, stderr } = await runProgram('unshare', ['--user', '--map-root-user', '--net', 'true']);
  if (status === 0) return { ...about, available: true };
  return { ...about, available: false, problem: stderr.trim(), fix: userNamespaceFix() };
}

interface Trial {
  readonly name: string;
  readonly purpose: string;
  /** The kernel module, and the option it is built by. */
  readonly module: string;
  readonly option: string;
  readonly attempt: (netns: Netns, rtnl: Rtnl) => void;
}

const TRIALS: readonly Trial[] = [
  linkTrial('veth', 'connects pods', { kind: 'veth', name: 'try', peer: { name: 'peer' } }),
  linkTrial('bridge', 'is the lab’s switch', { kind: 'bridge', name: 'try' }),
  linkTrial('vxlan', 'carries pods between distant nodes', { kind: 'vxlan', name: 'try', id: 1 }),
  {
    name: 'nf_tables',
    purpose: 'translates Services and masquerades',
    module: 'nf_tables',
    option: 'CONFIG_NF_TABLES',
    attempt: (netns) => {
      const [subsystem, getGeneration] = [10, 16];
      const socket = openNetlinkSocket('netfilter', { netns });
      try {
        const message = new MessageWriter((subsystem << 8) | getGeneration, 0).u8(0).u8(0).u16(0);
        socket.request(message.finish('get the generation of nf_tables'));
      } finally {
        socket.close();
      }
    },
  },
  {
    name: 'ip_forward',
    purpose: 'lets nodes pass packets on',
    module: 'none',
    option: 'CONFIG_INET',
    attempt: (netns) => withNetns(netns, () => writeSysctl('net.ipv4.ip_forward', 1)),
  },
];

function linkTrial(name: string, purpose: string, spec: LinkSpec): Trial {
  const attempt = (_: Netns, rtnl: Rtnl): void => rtnl.addLink(spec);
  return { name, purpose, module: name, option: `CONFIG_${name.toUpperCase()}`, attempt };
}

/** Tries each feature in a network namespace of its own. The caller must be root, or root of a user namespace. */
export function kernelFeatures(): Feature[] {
  let features: Feature[];
  try {
    features = TRIALS.map((trial) => tryFeature(trial));
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error;
    const fix = 'Run as root, or where user namespaces are allowed.';
    const about = { name: 'network namespaces', purpose: 'are what pods and nodes live in' };
    return [{ ...about, available: false, problem: errorMessage(error), fix }];
  }
  return features;
}

function tryFeature({ name, purpose, module, option, attempt }: Trial): Feature {
  const netns = createNetns();
  try {
    const rtnl = openRtnl({ netns });
    try {
      attempt(netns, rtnl);
      return { name, purpose, available: true };
    } catch (error) {
      const ownFix = error instanceof PodnetError ? error.fix : undefined;
      const fix = ownFix ?? `Load it (modprobe ${module}) or use a kernel built with ${option}.`;
      return { name, purpose, available: false, problem: errorMessage(error), fix };
    } finally {
      rtnl.close();
    }
  } finally {
    netns.close();
  }
}
