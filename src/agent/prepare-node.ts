import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { isErrno } from '../kernel/ffi.ts';
import type { Rtnl } from '../kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../kernel/sysctl.ts';
import { bits } from '../model/ip.ts';
import type { ClusterConfig } from './config.ts';

/** Of the node's namespace, set before the first pod is connected: new links inherit `default`. */
const nodeSysctls = {
  'net.ipv4.ip_forward': '1',
  // A pod that reaches itself through its Service leaves and enters by one link. The redirects the kernel would send
  // for that are of no use to the pod and take from the ICMP errors it may get (icmp(7)). `all` and the link's are ORed.
  'net.ipv4.conf.all.send_redirects': '0',
  'net.ipv4.conf.default.send_redirects': '0',
} as const;

/** Makes a router of the calling thread's namespace, with the addresses that every node answers on by itself. */
export function prepareNode(rtnl: Rtnl, { clusterCidrs, clusterDns, dns }: ClusterConfig): void {
  for (const [name, value] of Object.entries(nodeSysctls)) writeSysctl(name, value);
  if (clusterCidrs.some((cidr) => cidr.includes(':'))) writeSysctl('net.ipv6.conf.all.forwarding', '1');
  // Connections that wait at a listener that closes go to another of the same address, as in a restart of the DNS, in
  // both IP families. From Linux 5.14 on.
  if (existsSync('/proc/sys/net/ipv4/tcp_migrate_req')) writeSysctl('net.ipv4.tcp_migrate_req', '1');
  rtnl.setLink('lo', { up: true });
  for (const address of [...clusterDns, ...(dns?.linkLocal ?? [])]) addLocalAddress(rtnl, address);
}

/** Local addresses live on `lo`: they need no device of their own. */
export function addLocalAddress(rtnl: Rtnl, address: string): void {
  const prefixLength = bits(isIPv6(address) ? 6 : 4);
  try {
    rtnl.addAddress({ link: 'lo', address, prefixLength, scope: 'host', noDad: true });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
}
