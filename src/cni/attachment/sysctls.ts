import { tryReadSysctl, writeSysctl } from '../../kernel/sysctl.ts';

/** In the calling thread's namespace; what the kernel does not have and what is so already stays as it is. */
export function setSysctl(name: string, value: string): void {
  const now = tryReadSysctl(name);
  if (now !== undefined && now !== value) writeSysctl(name, value);
}

/** The same without a look at what is so already. */
export function writeSysctlIfAny(name: string, value: string): void {
  try {
    writeSysctl(name, value);
  } catch {
    setSysctl(name, value);
  }
}

const FORWARDING = { 4: 'net/ipv4/ip_forward', 6: 'net/ipv6/conf/all/forwarding' } as const;

/** Lets the node pass packets on. */
export function enableForwarding(family: 4 | 6): void {
  setSysctl(FORWARDING[family], '1');
}

/**
 * Lets an interface of the node, still down, use IPv6 as soon as it is up: until duplicate address detection has cleared
 * its link-local address, which takes a second or two, it would ask for no neighbour. No other machine is on that link, or podnet
 * chose the MAC address.
 */
export function skipDuplicateDetection(name: string): void {
  setSysctl(`net/ipv6/conf/${name}/accept_dad`, '0');
}
