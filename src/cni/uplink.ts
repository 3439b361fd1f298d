import type { Link, Rtnl } from '../kernel/rtnl/rtnl.ts';

/** The device that carries the node's traffic: the one with the node's address, else the one of the default route. */
export function findUplink(rtnl: Rtnl, nodeAddresses: readonly string[] = []): Link | undefined {
  const withAddress = rtnl.addresses().find(({ address }) => nodeAddresses.includes(address));
  if (withAddress) {
    const link = rtnl.link(withAddress.link);
    if (link && !link.loopback) return link;
  }
  const defaults = rtnl.routes().filter(({ dst }) => dst === '0.0.0.0/0' || dst === '::/0');
  const best = defaults.toSorted((a, b) => a.family - b.family || a.metric - b.metric)[0];
  const index = best?.link ?? best?.nextHops[0]?.link;
  return index === undefined ? undefined : rtnl.link(index);
}

/** The MTU pods get when nothing is put around their packets: the uplink's, or Ethernet's without one. */
export function uplinkMtuBytes(rtnl: Rtnl, nodeAddresses: readonly string[] = []): number {
  return findUplink(rtnl, nodeAddresses)?.mtuBytes ?? 1500;
}
