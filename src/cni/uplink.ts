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

/** Without an uplink the MTU is Ethernet's, and it is looked for again after this long. */
const SEARCH_AGAIN_MS = 1000;

/**
 * The MTU pods get when nothing is put around their packets: what the uplink has at that moment. Finding the uplink
 * reads all routes, so it is remembered as long as it exists.
 */
export function createUplinkMtu(rtnl: Rtnl, nodeAddresses: readonly string[] = []): () => number {
  let index: number | undefined;
  let searchedMs = -Infinity;
  return () => {
    let uplink = index === undefined ? undefined : rtnl.link(index);
    if (!uplink && performance.now() - searchedMs > SEARCH_AGAIN_MS) {
      uplink = findUplink(rtnl, nodeAddresses);
      searchedMs = performance.now();
    }
    index = uplink?.index;
    return uplink?.mtuBytes ?? 1500;
  };
}
